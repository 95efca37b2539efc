// Qwen2 and 2.5 (Yang et al. 2024): Llama with biases on q, k and v. Qwen3 (Yang et al. 2025) has RMSNorm on each head of q and
// k instead, and a head_dim free of hidden_size; Qwen3-MoE's MLP is, in every decoder_sparse_step-th layer, a mixture of small
// experts.
#include <algorithm>

#include "runtime/models/architecture.h"
#include "runtime/models/decoder.h"

namespace weft {
namespace {

Model dense(const Build& b, AttentionForm attention) {
  const ConfigReader& c = b.config;
  return decoder(b, [=, norm = read_norm(c), mlp = read_mlp(c), windows = read_switched_windows(c)](const Build& layer,
                                                                                                  int i) mutable {
    attention.window = windows[static_cast<size_t>(i)];
    return std::make_unique<PreNorm<Mlp>>(layer, norm, attention, mlp);
  });
}

}  // namespace

Model qwen2(const Build& b) {
  AttentionForm attention = read_attention(b.config);
  attention.qkv_bias = true;
  return dense(b, attention);
}

Model qwen3(const Build& b) {
  AttentionForm attention = read_attention(b.config);
  attention.qk_norm = true;
  return dense(b, attention);
}

Model qwen3_moe(const Build& b) {
  const ConfigReader& c = b.config;
  AttentionForm attention = read_attention(c);
  attention.qk_norm = true;
  const int window = read_window(c);
  attention.window = c.flag("use_sliding_window") ? window : 0;
  MoeForm moe = read_moe(c, "num_experts", "moe_intermediate_size");
  moe.router = {RouterParams::Score::softmax_top_k, c.flag("norm_topk_prob")};
  const int64_t every = c.integer("decoder_sparse_step", 1, 1 << 20);
  const std::vector<int64_t> dense = c.has("mlp_only_layers") ? c.integers("mlp_only_layers") : std::vector<int64_t>();
  return decoder(b, [&, norm = read_norm(c), mlp = read_mlp(c)](const Build& layer, int i) -> std::unique_ptr<Block> {
    if (std::find(dense.begin(), dense.end(), i) != dense.end() || (i + 1) % every != 0)
      return std::make_unique<PreNorm<Mlp>>(layer, norm, attention, mlp);
    return std::make_unique<PreNorm<Moe>>(layer, norm, attention, moe);
  });
}

}  // namespace weft
