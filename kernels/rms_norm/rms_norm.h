#pragma once
// RMSNorm (Zhang & Sennrich 2019), as the Llama family has it.
//   out[t, :] = x[t, :] * (1 / sqrt(mean(x[t, :]^2) + eps)) * weight     out, x: (rows, n) f32, row stride free   weight: (n) f32
// or (rows, heads, n), strides of rows and heads free: every head of a row on its own.
// The sum of squares runs over 16 interleaved partial sums (i mod 16), added in one binary tree: the same bits on every
// instruction set. out may alias x. rows == 0 is a no-op.
#include "kernels/core/context.h"
#include "kernels/core/tensor.h"

namespace weft {

using RmsNormOp = void(Tensor out, Tensor x, Tensor weight, float eps, Context& context);
RmsNormOp rms_norm;

// residual[t, :] += x[t, :], then out = rms_norm(residual).   all: (rows, n) f32. out may alias x, not residual.
using AddRmsNormOp = void(Tensor out, Tensor residual, Tensor x, Tensor weight, float eps, Context& context);
AddRmsNormOp add_rms_norm;

namespace ref { RmsNormOp rms_norm; AddRmsNormOp add_rms_norm; }
namespace cpu { RmsNormOp rms_norm; AddRmsNormOp add_rms_norm; }

}  // namespace weft
