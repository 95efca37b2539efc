#include "kernels/add_bias/add_bias.h"

namespace weft::ref {

void add_bias(Tensor x, Tensor bias, Context&) {
  for (int64_t t = 0; t < x.dim(0); ++t)
    for (int64_t i = 0; i < x.dim(1); ++i) {
      float& value = x.as<float>()[t * x.stride[0] + i];
      value = static_cast<float>(double{value} + bias.as<float>()[i]);
    }
}

}  // namespace weft::ref
