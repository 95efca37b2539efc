// Mixtral (Jiang et al. 2024): Mistral with a sparse mixture of SwiGLU experts, top-k of a softmax, renormalised.
#include "runtime/models/architecture.h"

namespace weft::mixtral {

void read(const ConfigReader& json, ModelConfig& config) {
  read_decoder(json, config);
  read_window(json, config, 0);
  config.moe.n_experts = static_cast<int>(json.in_range("num_local_experts", 8, 1, 65536));
  config.moe.k = static_cast<int>(json.in_range("num_experts_per_tok", 2, 1, config.moe.n_experts));
  config.moe.intermediate_size = config.intermediate_size;
  config.moe.router = {RouterParams::Score::softmax_top_k, true};
  config.moe_layer.assign(config.n_layers, true);
}

void weights(WeightTable& t, const ModelConfig& c) {
  decoder_weights(t, c);
  const int64_t H = c.hidden_size, F = c.moe.intermediate_size;
  for (int i = 0; i < c.n_layers; ++i) {
    const std::string moe = "model.layers.{i}.block_sparse_moe.", fused = "model.layers.{i}.mlp.experts.";
    t.matrix(Slot::router, Shard::replicate, c.moe.n_experts, H, moe + "gate.weight", "blk.{i}.ffn_gate_inp.weight", i);
    t.experts(Slot::expert_gate, Shard::mlp, F, H, moe + "experts.{e}.w1.weight", fused + "gate_up_proj", 2 * F, 0,
              "blk.{i}.ffn_gate_exps.weight", i);
    t.experts(Slot::expert_up, Shard::mlp, F, H, moe + "experts.{e}.w3.weight", fused + "gate_up_proj", 2 * F, F,
              "blk.{i}.ffn_up_exps.weight", i);
    t.experts(Slot::expert_down, Shard::mlp_cols, H, F, moe + "experts.{e}.w2.weight", fused + "down_proj", H, 0,
              "blk.{i}.ffn_down_exps.weight", i);
  }
}

extern const Architecture architecture = {"mixtral", read, weights, pre_norm_block, true};

}  // namespace weft::mixtral
