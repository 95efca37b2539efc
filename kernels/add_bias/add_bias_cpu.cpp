#include "kernels/add_bias/add_bias.h"
#include "kernels/core/dispatch.h"

namespace weft::cpu {

void add_bias(Tensor x, Tensor bias, Context& context) {
  const int64_t n = x.dim(1);
  context.pool.parallel_for(x.dim(0), rows_per_task(n), [&](int64_t begin, int64_t end, int) {
    const float* values = bias.as<float>();
    for (int64_t t = begin; t < end; ++t) {
      float* row = x.as<float>() + t * x.stride[0];
      for (int64_t i = 0; i < n; ++i) row[i] += values[i];
    }
  });
}

}  // namespace weft::cpu
