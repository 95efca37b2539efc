#include <cmath>

#include "kernels/core/check.h"
#include "kernels/rms_norm/rms_norm.h"
#include "runtime/layers/layers.h"

namespace weft {
namespace {

std::string describe(const AttentionForm& f) {
  static constexpr const char* kRope[] = {"plain", "linear", "YaRN", "llama3"};
  const char* kind = f.kv_heads == f.heads ? "MHA" : f.kv_heads == 1 ? "MQA" : "GQA";
  return cat(kind, ", ", f.heads, " query and ", f.kv_heads, " KV heads of ", f.head_dim, ", RoPE ",
             kRope[static_cast<int>(f.rope.type)], " theta ", f.rope.rope_theta,
             f.window ? cat(", sliding window ", f.window) : "", f.qk_norm ? ", QK-norm" : "",
             f.qkv_bias && f.out_bias ? ", biases" : f.qkv_bias ? ", QKV biases" : f.out_bias ? ", output bias" : "");
}

std::vector<Part> qkv_parts(const AttentionForm& f, const Dim& q, const Dim& kv) {
  const Dim q_rows = q.times(f.head_dim), kv_rows = kv.times(f.head_dim);
  return {part("q_proj", q_rows, f.qkv_bias), part("k_proj", kv_rows, f.qkv_bias), part("v_proj", kv_rows, f.qkv_bias)};
}

}  // namespace

Attention::Attention(const Build& at, const AttentionForm& form)
    : Attention(at.as("attention", describe(form)), form, at.heads(form.heads)) {}

Attention::Attention(const Build& b, const AttentionForm& form, const Dim& q)
    : f_(form),
      q_(q),
      kv_(b.serving(form.kv_heads, q)),
      groups_(head_groups(q_, kv_)),
      qkv_(b, qkv_parts(form, q_, kv_), form.hidden),
      o_(b, "o_proj", q_.times(form.head_dim), form.hidden, form.out_bias),
      cache_(b.paged({kv_, form.head_dim, form.head_dim})),
      table_(b.per_step(rope_table_of(form.rope, form.head_dim))),
      schedule_(b.per_step(groups_)) {
  if (!form.qk_norm) return;
  q_norm_ = b.vector("q_norm.weight", Dim::whole(form.head_dim));
  k_norm_ = b.vector("k_norm.weight", Dim::whole(form.head_dim));
}

Lane Attention::operator()(const Lane& x) const {
  Step& s = x.step();
  Context& context = s.p.context;
  Lane y = x.another();
  const Arena::Scope scope(s.arena());
  const int64_t n_q = q_.n(), n_kv = kv_.n(), d = f_.head_dim;

  const Tensor heads = qkv_(s.all_tokens(x), s).view({s.shard.tokens, n_q + 2 * n_kv, d});
  const Tensor q = heads.narrow(1, 0, n_q), k = heads.narrow(1, n_q, n_q + n_kv), v = heads.narrow(1, n_q + n_kv, n_q + 2 * n_kv);
  if (q_norm_) rms_norm(q, q, q_norm_->view(), f_.norm_eps, context);
  if (k_norm_) rms_norm(k, k, k_norm_->view(), f_.norm_eps, context);
  rope(q, s.tables[table_], f_.rope.pairing, context);
  rope(k, s.tables[table_], f_.rope.pairing, context);
  kv_write(s.kv[cache_], k, v, s.in.slots, context);

  Tensor out = s.arena().tensor(DType::f32, {s.shard.tokens, n_q, d});
  attention(out, q, s.kv[cache_], groups_, s.in.batch, s.schedules[schedule_],
            {1.0f / std::sqrt(static_cast<float>(d)), f_.window}, context);
  o_(y, out.view({s.shard.tokens, n_q * d}), s);
  return y;
}

}  // namespace weft
