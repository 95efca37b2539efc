#include "kernels/fingerprint/fingerprint.h"

#include "kernels/core/dispatch.h"

namespace weft {

void fingerprint(Tensor sums, Tensor logits, Tensor positions, int64_t first, Context& context) {
  WEFT_CHECK(logits.rank == 2 && logits.dtype == DType::f32 && logits.contiguous(), "logits are ", logits.describe());
  WEFT_CHECK(
      sums.rank == 2 && sums.dtype == DType::i32 && sums.contiguous() && sums.dim(0) == logits.dim(0) && sums.dim(1) == 2,
      "sums are ", sums.describe(), ", logits ", logits.describe());
  WEFT_CHECK(
      positions.rank == 1 && positions.dtype == DType::i32 && positions.contiguous() && positions.dim(0) == logits.dim(0),
      "positions are ", positions.describe(), ", logits ", logits.describe());
  run<cpu::fingerprint>("fingerprint", sums, 0, context, sums, logits, positions, first);
}

}  // namespace weft
