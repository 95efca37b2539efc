#include "kernels/moe_route/moe_route.h"

#include "kernels/core/check.h"
#include "kernels/silu_mul/silu_mul.h"
#include "runtime/layers/layers.h"

namespace weft {

Moe::Moe(const Build& at, const MoeForm& form)
    : f_(form), experts_(at.experts(form.n, form.k)), width_(experts_.slices(form.width)), sum_(width_.sum()) {
  const Dim hidden = Dim::whole(form.hidden);
  router_ = at.as("router", cat("softmax top-", form.k, form.router.normalise ? ", normalised" : ""))
                .matrix({part("gate", Dim::whole(form.n))}, hidden);
  const Build b = at.as("experts", cat(form.n, " SwiGLU experts of ", form.width)) / "experts";
  if (b.stored("gate_up_proj") && !b.stored(cat("0.", form.gate, ".weight"))) {
    // transformers 5 in memory: gate above up, expert behind expert.
    gate_up_ = b.stack({{"gate_up_proj", "", width_}, {"gate_up_proj", "", width_, {.first = form.width}}}, hidden, experts_);
    down_ = b.stack({{"down_proj", "", hidden}}, width_, experts_);
  } else {
    gate_up_ = b.stack({part(cat("{e}.", form.gate), width_), part(cat("{e}.", form.up), width_)}, hidden, experts_);
    down_ = b.stack({part(cat("{e}.", form.down), hidden)}, width_, experts_);
  }
  stats_ = b.router_stats(form.n);
}

void Moe::run_experts(Tensor y, Tensor x, Tensor offsets, Step& s) const {
  const Arena::Scope scope(s.arena());
  Tensor gate_up = s.arena().tensor(DType::f32, {x.dim(0), 2 * width_.n()});
  Tensor h = s.arena().tensor(DType::f32, {x.dim(0), width_.n()});
  grouped_linear(gate_up, x, *gate_up_, offsets, KPlan::sequential(f_.hidden), s.p.arithmetic, s.p.context);
  grouped_silu_mul(h, gate_up, offsets, s.p.context);
  grouped_row_parallel(y, h, *down_, offsets, sum_, s.p);
}

Lane Moe::operator()(const Lane& x) const {
  Step& s = x.step();
  Lane y = x.another();
  const Arena::Scope scope(s.arena());
  const Tensor rows = x;
  Tensor logits = s.arena().tensor(DType::f32, {rows.dim(0), f_.n});
  Tensor ids = s.arena().tensor(DType::i32, {rows.dim(0), f_.k}), weights = s.arena().tensor(DType::f32, {rows.dim(0), f_.k});
  linear(logits, rows, *router_, KPlan::sequential(f_.hidden), Arithmetic::f32, s.p.context);
  moe_route(ids, weights, logits, f_.router, s.p.context);
  expert_parallel(
      y, rows, ids, weights, experts_.placement, s.shard, s.exchange,
      [&](Tensor out, Tensor in, Tensor offsets) { run_experts(out, in, offsets, s); }, *stats_, s.p);
  return y;
}

}  // namespace weft
