#pragma once
// Choice of experts. logits: (tokens, n_experts) f32 -> ids: (tokens, k) i32, weights: (tokens, k) f32.
//   softmax_top_k: p = softmax(logits) over all experts; the k largest p          (Mixtral, Qwen-MoE)
//   top_k_softmax: the k largest logits; softmax over those k                     (gpt-oss)
// normalise: the chosen p are divided by their sum. Slots are in descending order of score; ties take the lower expert.
// A row with NaN or +infinity has weights of NaN, on k different experts: its token's result is NaN, which whoever reads the
// model's logits finds; no other token is touched. k <= n_experts.
#include "kernels/core/context.h"
#include "kernels/core/tensor.h"

namespace weft {

struct RouterParams {
  enum class Score : uint8_t { softmax_top_k, top_k_softmax } score = Score::softmax_top_k;
  bool normalise = true;
};

using MoeRouteOp = void(Tensor ids, Tensor weights, Tensor logits, const RouterParams& params, Context& context);
MoeRouteOp moe_route;
namespace ref { MoeRouteOp moe_route; }
namespace cpu { MoeRouteOp moe_route; }

}  // namespace weft
