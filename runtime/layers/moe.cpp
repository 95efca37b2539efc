#include <algorithm>
#include <cstring>

#include "kernels/moe_route/moe_route.h"
#include "kernels/silu_mul/silu_mul.h"
#include "runtime/layers/layers.h"

namespace weft {

void moe(Tensor x, const MoeWeights& w, Step& s) {
  Arena::Scope scope(s.arena());
  const int64_t rows = x.dim(0), hidden = x.dim(1);
  Tensor logits = s.arena().tensor(DType::f32, {rows, w.router.n()});
  Tensor ids = s.arena().tensor(DType::i32, {rows, w.k}), weights = s.arena().tensor(DType::f32, {rows, w.k});
  linear(logits, x, w.router, KPlan::sequential(hidden), Arithmetic::f32, s.p.context);
  moe_route(ids, weights, logits, w.router_params, s.p.context);

  const auto experts = [&](Tensor y, Tensor tokens, std::span<const int32_t> offsets) {
    Arena::Scope inner(s.arena());
    const int64_t f = w.gate_up.empty() ? 0 : w.gate_up[0].n() / 2;
    Tensor gate_up = s.arena().tensor(DType::f32, {tokens.dim(0), 2 * f});
    Tensor h = s.arena().tensor(DType::f32, {tokens.dim(0), f});
    grouped_linear(gate_up, tokens, w.gate_up, offsets, KPlan::sequential(hidden), s.p.arithmetic, s.p.context);
    silu_mul(h, gate_up, s.p.context);
    grouped_row_parallel(y, h, w.down, offsets, w.down_sum, s.p);
  };
  Tensor out = s.arena().tensor(DType::f32, {rows, hidden});
  expert_parallel(out, x, ids, weights, w.placement, s.shard, experts, *w.stats, s.p);
  std::memcpy(x.data, out.data, static_cast<size_t>(out.bytes()));
}

int64_t moe_workspace(int64_t tokens, int64_t hidden, const MoeWeights& w, int ranks, Arithmetic a, int threads) {
  const int64_t f = w.gate_up.empty() ? 0 : w.gate_up[0].n() / 2, pairs = tokens * w.k;
  const int64_t n_experts = w.router.n();
  const int64_t route = Arena::padded(tokens * hidden * 4) + Arena::padded(tokens * n_experts * 4) + 2 * Arena::padded(pairs * 4);
  // One hot rank may receive every pair.
  const int64_t inner = Arena::padded(pairs * 2 * f * 4) + Arena::padded(pairs * f * 4) +
                        std::max(linear_workspace(pairs, hidden, KPlan::sequential(hidden), a, threads),
                                 row_parallel_workspace(w.down_sum, pairs, hidden, f, a, threads));
  return route + std::max(linear_workspace(tokens, hidden, KPlan::sequential(hidden), Arithmetic::f32, threads),
                          expert_parallel_workspace(tokens, hidden, w.k, static_cast<int>(n_experts), ranks) + inner);
}

}  // namespace weft
