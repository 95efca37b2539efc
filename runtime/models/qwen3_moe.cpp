// Qwen3-MoE (Yang et al. 2025): Qwen3 whose MLP is, in every decoder_sparse_step-th layer, a mixture of small experts.
#include <algorithm>

#include "runtime/models/architecture.h"

namespace weft::qwen3_moe {

void read(const ConfigReader& json, ModelConfig& config) {
  read_decoder(json, config);
  read_window(json, config);
  if (!json.flag("use_sliding_window")) config.window.assign(config.n_layers, 0);
  read_attention_bias(json, config);
  config.qk_norm = true;

  config.moe.n_experts = static_cast<int>(json.integer("num_experts", 1, 65536));
  config.moe.k = static_cast<int>(json.integer("num_experts_per_tok", 1, config.moe.n_experts));
  config.moe.intermediate_size = json.integer("moe_intermediate_size", 1, 1 << 24);
  config.moe.router = {RouterParams::Score::softmax_top_k, json.flag("norm_topk_prob")};

  const int64_t sparse_step = json.integer("decoder_sparse_step", 1, 1 << 20);
  const bool any_dense = json.has("mlp_only_layers");
  const std::vector<int64_t> dense = any_dense ? json.integers("mlp_only_layers") : std::vector<int64_t>();
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
