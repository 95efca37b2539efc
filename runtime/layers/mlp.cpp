#include "kernels/silu_mul/silu_mul.h"
#include "runtime/layers/layers.h"

namespace weft {

Mlp::Mlp(const Build& at, const MlpForm& form)
    : Mlp(at.as("mlp", cat("SwiGLU ", form.width, form.bias ? ", biases" : "")), form, at.slices(form.width)) {}

Mlp::Mlp(const Build& b, const MlpForm& form, const Dim& width)
    : gate_up_(b, {part("gate_proj", width, form.bias), part("up_proj", width, form.bias)}, form.hidden),
      down_(b, "down_proj", width, form.hidden, form.bias) {}

Lane Mlp::operator()(const Lane& x) const {
  Step& s = x.step();
  Lane y = x.another();
  const Arena::Scope scope(s.arena());
  Tensor gate_up = gate_up_(s.all_tokens(x), s);
  Tensor h = s.arena().tensor(DType::f32, {s.shard.tokens, gate_up.dim(1) / 2});
  silu_mul(h, gate_up, s.p.context);
  down_(y, h, s);
  return y;
}

}  // namespace weft
