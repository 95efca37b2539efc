// Mixtral (Jiang et al. 2024): Mistral with a sparse mixture of SwiGLU experts, top-k of a softmax, renormalised.
#include "runtime/models/architecture.h"

namespace weft::mixtral {

void read(const ConfigReader& json, ModelConfig& config) {
  read_decoder(json, config);
  read_window(json, config);
  config.moe.n_experts = static_cast<int>(json.integer("num_local_experts", 1, 65536));
  config.moe.k = static_cast<int>(json.integer("num_experts_per_tok", 1, config.moe.n_experts));
  config.moe.intermediate_size = config.intermediate_size;
  config.moe.router = {RouterParams::Score::softmax_top_k, true};
  config.moe_layer.assign(config.n_layers, true);
}

void weights(WeightTable& t, const ModelConfig& c) {
  decoder_weights(t, c);
  for (int i = 0; i < c.n_layers; ++i) moe_weights(t, c, i, "model.layers.{i}.block_sparse_moe.", "w1", "w3", "w2");
}

extern const Architecture architecture = {"mixtral", read, weights, pre_norm_block, true};

}  // namespace weft::mixtral
