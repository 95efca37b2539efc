// Llama 2 and 3 (Touvron et al. 2023; Dubey et al. 2024): pre-RMSNorm, RoPE, GQA, SwiGLU. SmolLM2 is one of them. Mistral (Jiang
// et al. 2023) is the same block with sliding-window attention.
#include "runtime/models/architecture.h"
#include "runtime/models/decoder.h"

namespace weft {

Model llama(const Build& b) {
  const ConfigReader& c = b.config;
  return decoder(b, [norm = read_norm(c), attention = read_attention(c), mlp = read_mlp(c)](const Build& layer, int) {
    return std::make_unique<PreNorm<Mlp>>(layer, norm, attention, mlp);
  });
}

Model mistral(const Build& b) {
  const ConfigReader& c = b.config;
  AttentionForm attention = read_attention(c);
  attention.window = read_window(c);
  return decoder(b, [&, norm = read_norm(c), mlp = read_mlp(c)](const Build& layer, int) {
    return std::make_unique<PreNorm<Mlp>>(layer, norm, attention, mlp);
  });
}

}  // namespace weft
