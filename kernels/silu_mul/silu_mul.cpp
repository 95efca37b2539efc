#include "kernels/silu_mul/silu_mul.h"

#include "kernels/core/dispatch.h"

namespace weft {

void silu_mul(Tensor out, Tensor gate_up, Context& context) {
  WEFT_CHECK(out.rank == 2 && out.dtype == DType::f32 && out.contiguous(), "out is ", out.describe());
  WEFT_CHECK(gate_up.rank == 2 && gate_up.dtype == DType::f32 && gate_up.contiguous() && gate_up.dim(0) == out.dim(0) &&
                 gate_up.dim(1) == 2 * out.dim(1),
             "gate_up is ", gate_up.describe(), ", out ", out.describe());
  require_cpu("silu_mul", out);
  if (context.dry()) return;
  cpu::silu_mul(out, gate_up, context);
}

}  // namespace weft
