#include <cmath>

#include "kernels/silu_mul/silu_mul.h"

namespace weft::ref {

void silu_mul(Tensor out, Tensor gate_up, Context&) {
  const int64_t f = out.dim(1);
  for (int64_t t = 0; t < out.dim(0); ++t) {
    const float* gate = gate_up.as<float>() + t * 2 * f;
    for (int64_t i = 0; i < f; ++i) {
      const double x = gate[i];
      out.as<float>()[t * f + i] = static_cast<float>(x / (1 + std::exp(-x)) * gate[f + i]);
    }
  }
}

void grouped_silu_mul(Tensor out, Tensor gate_up, Tensor row_offsets, Context& context) {
  const int32_t begin = row_offsets.as<int32_t>()[0], end = row_offsets.as<int32_t>()[row_offsets.dim(0) - 1];
  ref::silu_mul(out.slice(begin, end), gate_up.slice(begin, end), context);
}

}  // namespace weft::ref
