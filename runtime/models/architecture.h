#pragma once
// What one architecture's file provides: data, a table and a block. models.cpp lists them all.
#include <span>
#include <string>
#include <vector>

#include "runtime/layers/step.h"
#include "runtime/models/config.h"
#include "runtime/models/weight_table.h"
#include "runtime/weights/config_reader.h"

namespace weft {

struct Architecture {
  const char* model_type;  // config.json's
  void (*read)(const ConfigReader& json, ModelConfig& config);
  void (*weights)(WeightTable& table, const ModelConfig& config);
  void (*block)(Tensor x, Tensor residual, const LayerWeights& w, const PagedKv& kv, Step& s);
  bool gguf_interleaves_rope;  // llama.cpp permutes q and k of this architecture for interleaved pairs
};

std::span<const Architecture> architectures();
const Architecture& find_architecture(const std::string& model_type);  // refuses an unknown one, listing the known

// Shared by decoder-only architectures ------------------------------------------------------------------------------------

// Sizes, norms, RoPE and ties, which all Hugging Face decoders spell alike.
void read_decoder(const ConfigReader& json, ModelConfig& config);
void read_attention_bias(const ConfigReader& json, ModelConfig& config);  // of q, k, v and o
void read_window(const ConfigReader& json, ModelConfig& config);          // on every layer; none if null
// Qwen's: where use_sliding_window is true, in the layers that layer_types names, or else from max_window_layers on.
void read_switched_window(const ConfigReader& json, ModelConfig& config);
// Embedding, norms, attention and head; then one MLP a layer.
void decoder_weights(WeightTable& table, const ModelConfig& config);
void mlp_weights(WeightTable& table, const ModelConfig& config, int layer);
// Router and experts of one layer. `module` is the MoE's name ("model.layers.{i}.mlp."), the others what it calls an expert's
// matrices. transformers 5 in memory, and llama.cpp, stack the experts; both forms are known too.
void moe_weights(WeightTable& table, const ModelConfig& config, int layer, const std::string& module, const std::string& gate,
                 const std::string& up, const std::string& down);

// The pre-norm block: x = attention(norm(residual += x)); x = ffn(norm(residual += x)). On entry x is what the previous
// sublayer adds to the residual, on return what this block's last one adds. All rows are this rank's own.
void pre_norm_block(Tensor x, Tensor residual, const LayerWeights& w, const PagedKv& kv, Step& s);

// cos/sin frequencies: inv_freq (head_dim / 2) in f32 as transformers computes them, and the factor on cos and sin.
struct RopeFrequencies {
  std::vector<float> inv_freq;
  float attention_factor = 1;
};
RopeFrequencies rope_frequencies(const RopeConfig& rope, int64_t head_dim);

}  // namespace weft
