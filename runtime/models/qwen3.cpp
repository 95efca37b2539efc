// Qwen3 (Yang et al. 2025): Llama with RMSNorm on each head of q and k; head_dim is free of hidden_size.
#include "runtime/models/architecture.h"

namespace weft::qwen3 {

void read(const ConfigReader& json, ModelConfig& config) {
  read_decoder(json, config);
  read_switched_window(json, config);
  read_attention_bias(json, config);
  config.qk_norm = true;
}

extern const Architecture architecture = {"qwen3", read, decoder_weights, pre_norm_block, false};

}  // namespace weft::qwen3
