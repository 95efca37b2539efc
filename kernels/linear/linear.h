#pragma once
// y[m, n] = sum_k x[m, k] w[n, k] (+ bias[n])       x: (M, K) f32   w: PackedMatrix (N, K)   y: (M, N) f32
//
// Arithmetic a: x is rounded to a first.
//   f32, f16, bf16   acc = fma(round_a(x), w, acc) over k in ascending order, f32. bf16 times bf16 takes subnormals, of either
//                    factor and of acc, as zero: so do the CPUs' instructions for it.
//   q8, w quantised  x in blocks of up to 32 columns: the stored columns' 32-blocks cut at the plan's steps, each
//                    quantised by quant::quantize_activation. Per block, in ascending order:
//                    s = exact integer sum of q_x q_w;  acc = fma(float(s), d_x * d_w, acc), and for types with a
//                    minimum then acc = fma(d_x * float(sum of q_x), m, acc)   (K-quants: d_w = d * s and
//                    m = -(dmin * m6) in f32; q6_K: s = s_0 scale_0 + s_1 scale_1 in integers, d_w = d).
//   q8, w plain      x is replaced by its dequantised blocks d_x q_x, then as f32.
// With a plan of several outputs y is (outputs, M, N) and holds the subtree sums. Bits of a row of y depend only on that
// row of x, w, a and the plan: not on M, threads or instruction set. NaN and Inf propagate.
// y must not alias x. M == 0 or N == 0 is a no-op; an empty K range gives 0 (+ bias).
#include <span>

#include "kernels/core/context.h"
#include "kernels/core/tensor.h"
#include "kernels/linear/k_plan.h"
#include "kernels/matrix/packed_matrix.h"

namespace weft {

using LinearOp = void(Tensor y, Tensor x, const PackedMatrix& w, const KPlan& plan, Arithmetic a, Context& context);
LinearOp linear;

// Expert e multiplies rows [row_offsets[e], row_offsets[e + 1]) of x with w[e]; row_offsets (w.size() + 1) i32, ascending; rows
// outside are left alone. All w share N and K. Empty groups cost nothing.
using GroupedLinearOp = void(Tensor y, Tensor x, std::span<const PackedMatrix> w, Tensor row_offsets, const KPlan& plan,
                             Arithmetic a, Context& context);
GroupedLinearOp grouped_linear;

// Bytes of context.workspace either op takes for x of (M, K) and this plan.
int64_t linear_workspace(int64_t m, int64_t k, const KPlan& plan, Arithmetic a, int threads);

namespace ref {
LinearOp linear;
GroupedLinearOp grouped_linear;
}  // namespace ref
namespace cpu {
LinearOp linear;
GroupedLinearOp grouped_linear;
}  // namespace cpu

}  // namespace weft
