#include "kernels/moe_route/moe_route.h"

#include "kernels/core/dispatch.h"

namespace weft {

void moe_route(Tensor ids, Tensor weights, Tensor logits, const RouterParams& params, Context& context) {
  WEFT_CHECK(logits.rank == 2 && logits.dtype == DType::f32 && logits.contiguous(), "logits are ", logits.describe());
  WEFT_CHECK(ids.rank == 2 && ids.dtype == DType::i32 && ids.contiguous() && ids.dim(0) == logits.dim(0) &&
                 ids.dim(1) >= 1 && ids.dim(1) <= logits.dim(1),
             "ids are ", ids.describe(), ", logits ", logits.describe());
  WEFT_CHECK(weights.dtype == DType::f32 && weights.contiguous() && weights.shape == ids.shape, "weights are ",
             weights.describe());
  run<cpu::moe_route>("moe_route", ids, 0, context, ids, weights, logits, params);
}

}  // namespace weft
