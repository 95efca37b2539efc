#include "kernels/silu_mul/silu_mul.h"

#include "kernels/core/dispatch.h"

namespace weft {
namespace {

void check(const Tensor& out, const Tensor& gate_up) {
  WEFT_CHECK(out.rank == 2 && out.dtype == DType::f32 && out.contiguous(), "out is ", out.describe());
  WEFT_CHECK(gate_up.rank == 2 && gate_up.dtype == DType::f32 && gate_up.contiguous() && gate_up.dim(0) == out.dim(0) &&
                 gate_up.dim(1) == 2 * out.dim(1),
             "gate_up is ", gate_up.describe(), ", out ", out.describe());
}

}  // namespace

void silu_mul(Tensor out, Tensor gate_up, Context& context) {
  check(out, gate_up);
  run<cpu::silu_mul>("silu_mul", out, 0, context, out, gate_up);
}

void grouped_silu_mul(Tensor out, Tensor gate_up, Tensor row_offsets, Context& context) {
  check(out, gate_up);
  WEFT_CHECK(row_offsets.rank == 1 && row_offsets.dtype == DType::i32 && row_offsets.dim(0) >= 1, "row offsets are ",
             row_offsets.describe());
  run<cpu::grouped_silu_mul>("grouped_silu_mul", out, 0, context, out, gate_up, row_offsets);
}

}  // namespace weft
