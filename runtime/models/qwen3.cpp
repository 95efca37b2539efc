// Qwen3 (Yang et al. 2025): Llama with RMSNorm on each head of q and k; head_dim is free of hidden_size.
#include "runtime/models/architecture.h"

namespace weft::qwen3 {

void read(const ConfigReader& json, ModelConfig& config) {
  read_decoder(json, config, 128);
  read_switched_window(json, config, json.in_range("max_window_layers", 28, 0, 1 << 20));
  config.attention_bias = config.output_bias = json.flag("attention_bias").value_or(false);
  config.qk_norm = true;
}

extern const Architecture architecture = {"qwen3", read, decoder_weights, pre_norm_block, false};

}  // namespace weft::qwen3
