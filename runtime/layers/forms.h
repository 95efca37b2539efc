#pragma once
// What modules are, as plain values: an architecture's make() reads them from the config, all up front, and constructors take
// them. All read what resolve_config() returns, where every key of the config's class is present: no reader knows a default.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kernels/moe_route/moe_route.h"
#include "kernels/rope/rope.h"
#include "runtime/weights/build.h"
#include "runtime/weights/config_reader.h"

namespace weft {

struct RopeForm {
  enum class Type : uint8_t { plain, linear, yarn, llama3 } type = Type::plain;
  double rope_theta = 10000;
  double factor = 1;
  int64_t original_max_position_embeddings = 0;
  double low_freq_factor = 1, high_freq_factor = 4;                // llama3
  double beta_fast = 32, beta_slow = 1;                            // yarn
  std::optional<double> attention_factor, mscale, mscale_all_dim;  // yarn
  bool truncate = true;                                            // yarn: round the correction range
  RopePairs pairing = RopePairs::half;
  std::vector<double> divisors;  // of the frequencies; empty: none
};

struct AttentionForm {
  int64_t hidden = 0, heads = 0, kv_heads = 0, head_dim = 0;
  RopeForm rope;
  int window = 0;  // 0: full
  bool qkv_bias = false, out_bias = false;
  bool qk_norm = false;  // RMSNorm of each head of q and k before RoPE
  float norm_eps = 0;    // of those
};

struct MlpForm {
  int64_t hidden = 0, width = 0;
  bool bias = false;
};

struct MoeForm {
  int64_t hidden = 0, n = 0, k = 0, width = 0;  // k of n experts, each a SwiGLU of `width`
  RouterParams router;
  const char* gate = "gate_proj";  // what an expert's matrices are called
  const char* up = "up_proj";
  const char* down = "down_proj";
};

struct NormForm {
  int64_t size = 0;
  float eps = 0;
};

// Sizes, biases and RoPE, which all Hugging Face decoders spell alike.
AttentionForm read_attention(const ConfigReader& c);
MlpForm read_mlp(const ConfigReader& c);
NormForm read_norm(const ConfigReader& c);
RopeForm read_rope(const ConfigReader& c);
// n and k under these keys.
MoeForm read_moe(const ConfigReader& c, const char* n_key, const char* width_key);

// Tokens up to which the model's positions were trained, as transformers means the config: linear RoPE stretches
// max_position_embeddings by its factor, YaRN the original length (if max_position_embeddings does not say so already); that
// of llama3 is in max_position_embeddings.
int64_t trained_length(int64_t max_position_embeddings, const RopeForm& rope);
int read_window(const ConfigReader& c);  // of every layer; 0 if null
// Qwen's: a window a layer, 0 but where use_sliding_window is true, in the layers that layer_types names, or else from
// max_window_layers on.
std::vector<int> read_switched_windows(const ConfigReader& c);

// What rope_table needs: inv_freq (head_dim / 2) in f32 as transformers computes them, and the factor on cos and sin.
TableForm rope_table_of(const RopeForm& rope, int64_t head_dim);

}  // namespace weft
