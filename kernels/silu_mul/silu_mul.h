#pragma once
// SwiGLU's gate (Shazeer 2020):  out[t, i] = silu(gate_up[t, i]) * gate_up[t, f + i],  silu(x) = x / (1 + exp(-x))
// out: (tokens, f) f32   gate_up: (tokens, 2 f) f32. exp is core/simd.h's, the same bits on every instruction set.
#include "kernels/core/context.h"
#include "kernels/core/tensor.h"

namespace weft {

using SiluMulOp = void(Tensor out, Tensor gate_up, Context& context);
SiluMulOp silu_mul;

// The same of rows [row_offsets[0], row_offsets[last]) only, those that grouped_linear computes; other rows are left alone.
// row_offsets: i32
using GroupedSiluMulOp = void(Tensor out, Tensor gate_up, Tensor row_offsets, Context& context);
GroupedSiluMulOp grouped_silu_mul;

namespace ref {
SiluMulOp silu_mul;
GroupedSiluMulOp grouped_silu_mul;
}  // namespace ref
namespace cpu {
SiluMulOp silu_mul;
GroupedSiluMulOp grouped_silu_mul;
}  // namespace cpu

}  // namespace weft
