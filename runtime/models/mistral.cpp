// Mistral (Jiang et al. 2023): Llama with sliding-window attention.
#include "runtime/models/architecture.h"

namespace weft::mistral {

void read(const ConfigReader& json, ModelConfig& config) {
  read_decoder(json, config);
  read_window(json, config);
}

extern const Architecture architecture = {"mistral", read, decoder_weights, pre_norm_block, true};

}  // namespace weft::mistral
