#include "kernels/rope/rope.h"

#include "kernels/core/dispatch.h"

namespace weft {

void rope_table(Tensor cos_sin, Tensor positions, Tensor inv_freq, float attention_factor, Context& context) {
  WEFT_CHECK(positions.rank == 1 && positions.dtype == DType::i32 && positions.contiguous(), positions.describe());
  WEFT_CHECK(inv_freq.rank == 1 && inv_freq.dtype == DType::f32 && inv_freq.contiguous(), inv_freq.describe());
  WEFT_CHECK(cos_sin.rank == 3 && cos_sin.dtype == DType::f32 && cos_sin.contiguous() &&
                 cos_sin.dim(0) == positions.dim(0) && cos_sin.dim(1) == 2 && cos_sin.dim(2) == inv_freq.dim(0),
             "cos_sin is ", cos_sin.describe());
  run<cpu::rope_table>("rope_table", cos_sin, 0, context, cos_sin, positions, inv_freq, attention_factor);
}

void rope(Tensor x, Tensor cos_sin, RopePairs pairing, Context& context) {
  WEFT_CHECK(x.rank == 3 && x.dtype == DType::f32 && x.stride[2] == 1 && x.stride[1] == x.dim(2), "x is ", x.describe());
  WEFT_CHECK(cos_sin.rank == 3 && cos_sin.dtype == DType::f32 && cos_sin.contiguous() && cos_sin.dim(0) == x.dim(0) &&
                 cos_sin.dim(1) == 2 && 2 * cos_sin.dim(2) <= x.dim(2),
             "cos_sin is ", cos_sin.describe(), ", x ", x.describe());
  run<cpu::rope>("rope", x, 0, context, x, cos_sin, pairing);
}

}  // namespace weft
