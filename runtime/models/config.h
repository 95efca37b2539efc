#pragma once
// A model's shape and components as values; every architecture file fills one from config.json. Names are Hugging Face's.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kernels/moe_route/moe_route.h"
#include "kernels/rope/rope.h"

namespace weft {

struct RopeConfig {
  enum class Type : uint8_t { plain, linear, yarn, llama3 } type = Type::plain;
  double rope_theta = 10000;
  double factor = 1;
  int64_t original_max_position_embeddings = 0;
  double low_freq_factor = 1, high_freq_factor = 4;                // llama3
  double beta_fast = 32, beta_slow = 1;                            // yarn
  std::optional<double> attention_factor, mscale, mscale_all_dim;  // yarn
  bool truncate = true;                                            // yarn: round the correction range
  RopePairs pairing = RopePairs::half;
};

struct MoeConfig {
  int n_experts = 0;  // 0: dense
  int k = 0;          // experts per token
  int64_t intermediate_size = 0;
  RouterParams router;
};

struct ModelConfig {
  std::string model_type;
  int64_t vocab_size = 0, hidden_size = 0, intermediate_size = 0;
  int n_layers = 0, n_heads = 0, n_kv_heads = 0;
  int64_t head_dim = 0;
  float rms_norm_eps = 1e-6f;
  int64_t max_position_embeddings = 0;
  bool tie_word_embeddings = false;
  bool head_differs = false;    // the config ties the head, the checkpoint does not: tie_word_embeddings is false
  bool attention_bias = false;  // q, k and v have a bias
  bool output_bias = false;     // o has one too
  bool mlp_bias = false;        // the dense MLP's gate, up and down have one
  bool qk_norm = false;         // RMSNorm of each head of q and k before RoPE
  std::vector<int> window;      // (n_layers) sliding window, 0 = full attention
  std::vector<bool> moe_layer;  // (n_layers) MoE instead of the dense MLP
  RopeConfig rope;
  MoeConfig moe;
  std::string dtype = "float32";  // the checkpoint's own type
  std::vector<int32_t> eos_token_ids;
  std::optional<int32_t> bos_token_id;
};

}  // namespace weft
