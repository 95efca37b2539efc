#include <algorithm>

#include "kernels/silu_mul/silu_mul.h"
#include "runtime/layers/layers.h"

namespace weft {

void mlp(Tensor x, const MlpWeights& w, Step& s) {
  Arena::Scope scope(s.arena());
  const int64_t tokens = s.shard.tokens, f = w.gate_up.n() / 2;
  Tensor gate_up = s.arena().tensor(DType::f32, {tokens, 2 * f});
  Tensor h = s.arena().tensor(DType::f32, {tokens, f});
  column_parallel(gate_up, s.all_tokens(x), w.gate_up, s.p);
  silu_mul(h, gate_up, s.p.context);
  row_parallel(x, h, w.down, s.shard, s.p);
}

int64_t mlp_workspace(int64_t tokens, int64_t hidden, const MlpWeights& w, Arithmetic a, int threads) {
  const int64_t f = w.gate_up.n() / 2;
  return Arena::padded(tokens * 2 * f * 4) + Arena::padded(tokens * f * 4) + Arena::padded(tokens * hidden * 4) +
         std::max(linear_workspace(tokens, hidden, KPlan::sequential(hidden), a, threads),
                  row_parallel_workspace(w.down.sum, tokens, hidden, f, a, threads));
}

}  // namespace weft
