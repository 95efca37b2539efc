#include "kernels/add_bias/add_bias.h"

#include "kernels/core/dispatch.h"

namespace weft {

void add_bias(Tensor x, Tensor bias, Context& context) {
  WEFT_CHECK(x.rank == 2 && x.dtype == DType::f32 && x.stride[1] == 1, "x is ", x.describe());
  WEFT_CHECK(bias.rank == 1 && bias.dtype == DType::f32 && bias.contiguous() && bias.dim(0) == x.dim(1), "bias is ",
             bias.describe(), ", x ", x.describe());
  run<cpu::add_bias>("add_bias", x, 0, context, x, bias);
}

}  // namespace weft
