#pragma once
// x[t, i] += bias[i]     x: (rows, n) f32, row stride free   bias: (n) f32
#include "kernels/core/context.h"
#include "kernels/core/tensor.h"

namespace weft {

using AddBiasOp = void(Tensor x, Tensor bias, Context& context);
AddBiasOp add_bias;
namespace ref {
AddBiasOp add_bias;
}
namespace cpu {
AddBiasOp add_bias;
}

}  // namespace weft
