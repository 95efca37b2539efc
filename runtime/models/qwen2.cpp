// Qwen2 and 2.5 (Yang et al. 2024): Llama with biases on q, k and v.
#include "runtime/models/architecture.h"

namespace weft::qwen2 {

void read(const ConfigReader& json, ModelConfig& config) {
  read_decoder(json, config);
  read_switched_window(json, config);
  config.attention_bias = true;
}

extern const Architecture architecture = {"qwen2", read, decoder_weights, pre_norm_block, false};

}  // namespace weft::qwen2
