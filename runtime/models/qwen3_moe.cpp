// Qwen3-MoE (Yang et al. 2025): Qwen3 whose MLP is, in every decoder_sparse_step-th layer, a mixture of small experts.
#include <algorithm>

#include "kernels/core/check.h"
#include "runtime/models/architecture.h"

namespace weft::qwen3_moe {

void read(const ConfigReader& json, ModelConfig& config) {
  read_decoder(json, config);
  read_switched_window(json, config, 0);
  json.has("max_window_layers");  // the hub writes it, transformers does not use it here
  config.attention_bias = config.output_bias = json.flag("attention_bias").value_or(false);
  config.qk_norm = true;

  // The hub says num_experts, transformers 5 num_local_experts.
  const auto hub = json.integer("num_experts"), v5 = json.integer("num_local_experts");
  if (hub && v5 && *hub != *v5) bad_input("config.json: num_experts ", *hub, " contradicts num_local_experts ", *v5);
  const int64_t n_experts = hub ? *hub : v5.value_or(128);
  if (n_experts < 1 || n_experts > 65536) bad_input("config.json: num_experts is ", n_experts, ", allowed are 1 to 65536");
  config.moe.n_experts = static_cast<int>(n_experts);
  config.moe.k = static_cast<int>(json.in_range("num_experts_per_tok", 8, 1, n_experts));
  config.moe.intermediate_size = json.in_range("moe_intermediate_size", 768, 1, 1 << 24);
  config.moe.router = {RouterParams::Score::softmax_top_k, json.flag("norm_topk_prob").value_or(false)};

  const int64_t sparse_step = json.in_range("decoder_sparse_step", 1, 1, 1 << 20);
  const auto dense = json.integers("mlp_only_layers").value_or(std::vector<int64_t>{});
  for (int i = 0; i < config.n_layers; ++i)
    config.moe_layer.push_back(std::find(dense.begin(), dense.end(), i) == dense.end() && (i + 1) % sparse_step == 0);
}

void weights(WeightTable& t, const ModelConfig& c) {
  decoder_weights(t, c);
  for (int i = 0; i < c.n_layers; ++i)
    if (c.moe_layer[i]) moe_weights(t, c, i, "model.layers.{i}.mlp.", "gate_proj", "up_proj", "down_proj");
}

extern const Architecture architecture = {"qwen3_moe", read, weights, pre_norm_block, false};

}  // namespace weft::qwen3_moe
