#pragma once
// What decoder-only architectures share: embedding, blocks, final norm, logits.
#include <functional>
#include <memory>

#include "runtime/layers/layers.h"
#include "runtime/models/model.h"

namespace weft {

// The pre-norm block of the Llama line.
template <class Ffn>
struct PreNorm final : Block {
  Norm attention_norm;
  Attention attention;
  Norm ffn_norm;
  Ffn ffn;

  // ffn_name: what the checkpoint calls it.
  template <class FfnForm>
  PreNorm(const Build& b, const NormForm& norm, const AttentionForm& a, const FfnForm& f, const char* ffn_name = "mlp")
      : attention_norm(b / "input_layernorm", norm),
        attention(b / "self_attn", a),
        ffn_norm(b / "post_attention_layernorm", norm),
        ffn(b / ffn_name, f) {}

  void operator()(Stream& h) const override {
    h += attention(attention_norm(h));
    h += ffn(ffn_norm(h));
  }
};

// A Llama-like model whose layer i is what make_layer returns, which is called once a layer, in order.
using MakeLayer = std::function<std::unique_ptr<Block>(const Build& layer, int i)>;
Model decoder(const Build& b, const MakeLayer& make_layer);

}  // namespace weft
