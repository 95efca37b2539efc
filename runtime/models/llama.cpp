// Llama 2 and 3 (Touvron et al. 2023; Dubey et al. 2024): pre-RMSNorm, RoPE, GQA, SwiGLU. SmolLM2 is one of them.
#include "runtime/models/architecture.h"

namespace weft::llama {

void read(const ConfigReader& json, ModelConfig& config) {
  read_decoder(json, config);
  read_attention_bias(json, config);
  config.mlp_bias = json.flag("mlp_bias");
  config.window.assign(config.n_layers, 0);
}

extern const Architecture architecture = {"llama", read, decoder_weights, pre_norm_block, true};

}  // namespace weft::llama
