// Mixtral (Jiang et al. 2024): Mistral with a sparse mixture of SwiGLU experts, top-k of a softmax, renormalised.
#include "runtime/models/architecture.h"
#include "runtime/models/decoder.h"

namespace weft {

Model mixtral(const Build& b) {
  const ConfigReader& c = b.config;
  AttentionForm attention = read_attention(c);
  attention.window = read_window(c);
  MoeForm moe = read_moe(c, "num_local_experts", "intermediate_size");
  moe.router = {RouterParams::Score::softmax_top_k, true};
  moe.gate = "w1", moe.up = "w3", moe.down = "w2";
  return decoder(b, [&, norm = read_norm(c)](const Build& layer, int) {
    const char* name = layer.stored("mlp.gate.weight") ? "mlp" : "block_sparse_moe";  // as transformers 5 calls it, or all files
    return std::make_unique<PreNorm<Moe>>(layer, norm, attention, moe, name);
  });
}

}  // namespace weft
