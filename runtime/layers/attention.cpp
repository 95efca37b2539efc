#include <algorithm>
#include <cmath>

#include "kernels/rms_norm/rms_norm.h"
#include "runtime/layers/layers.h"

namespace weft {
namespace {

// Heads [begin, end) of rows that hold several groups of heads side by side: (tokens, heads, head_dim).
Tensor head_view(Tensor rows, int64_t begin, int64_t end, int64_t head_dim) {
  Tensor view(rows.as<float>() + begin * head_dim, {rows.dim(0), end - begin, head_dim});
  view.stride[0] = rows.stride[0];
  return view;
}

// RMSNorm of every head on its own, in place.
void norm_heads(Tensor heads, const Vector& weight, Step& s) {
  if (weight.values.empty()) return;
  for (int64_t h = 0; h < heads.dim(1); ++h) {
    Tensor rows(heads.as<float>() + h * heads.dim(2), {heads.dim(0), heads.dim(2)});
    rows.stride[0] = heads.stride[0];
    rms_norm(rows, rows, weight.view(), s.norm_eps, s.p.context);
  }
}

}  // namespace

void self_attention(Tensor x, const AttentionWeights& w, const PagedKv& kv, Step& s) {
  Arena::Scope scope(s.arena());
  const int64_t tokens = s.shard.tokens, n_q = w.heads.q.size(), n_kv = w.heads.kv.size(), d = w.head_dim;

  Tensor all = s.all_tokens(x);
  Tensor qkv = s.arena().tensor(DType::f32, {tokens, (n_q + 2 * n_kv) * d});
  column_parallel(qkv, all, w.qkv, s.p);
  Tensor q = head_view(qkv, 0, n_q, d), k = head_view(qkv, n_q, n_q + n_kv, d),
         v = head_view(qkv, n_q + n_kv, n_q + 2 * n_kv, d);

  norm_heads(q, w.q_norm, s);
  norm_heads(k, w.k_norm, s);
  rope(q, s.cos_sin, w.pairing, s.p.context);
  rope(k, s.cos_sin, w.pairing, s.p.context);
  kv_write(kv, k, v, s.in.slots, s.p.context);

  Tensor out = s.arena().tensor(DType::f32, {tokens, n_q, d});
  const float scale = 1.0f / std::sqrt(static_cast<float>(d));
  attention(out, q, kv, w.heads.groups, s.in.batch, {scale, w.window}, s.p.context);
  row_parallel(x, out.view({tokens, n_q * d}), w.o, s.shard, s.p);
}

int64_t self_attention_workspace(int64_t tokens, int64_t hidden, const AttentionWeights& w, Arithmetic a, int threads) {
  const int64_t n_q = w.heads.q.size(), n_kv = w.heads.kv.size(), d = w.head_dim;
  const int64_t own = Arena::padded(tokens * hidden * 4) + Arena::padded(tokens * (n_q + 2 * n_kv) * d * 4) +
                      Arena::padded(tokens * n_q * d * 4);
  return own + std::max({linear_workspace(tokens, hidden, KPlan::sequential(hidden), a, threads),
                         attention_workspace(tokens, n_q, d, threads),
                         row_parallel_workspace(w.o.sum, tokens, hidden, n_q * d, a, threads)});
}

}  // namespace weft
