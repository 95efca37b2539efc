#include "runtime/weights/model_files.h"

#include <nlohmann/json.hpp>

#include "kernels/core/check.h"
#include "kernels/quant/quant.h"
#include "runtime/weights/hf_config.h"
#include "runtime/weights/tied_head.h"

namespace weft {
namespace {

using nlohmann::json;

// llama.cpp bakes Llama 3's scaling into a tensor of divisors instead of metadata.
constexpr const char* kRopeDivisors = "rope_freqs.weight";

std::vector<float> vector_of(Checkpoint& checkpoint, const std::string& name) {
  const TensorInfo& info = checkpoint.info(name);
  std::vector<float> values(info.shape.empty() ? 0 : static_cast<size_t>(info.shape.back()));
  quant::dequantize(info.dtype, checkpoint.read(name).data(), values.data(), std::ssize(values));
  return values;
}

// What GGUF says by its tensors and Hugging Face by keys: which projections have biases, how q and k are permuted, RoPE's
// divisors.
void add_gguf_facts(Checkpoint& checkpoint, json& config) {
  const auto has = [&](const char* module) { return checkpoint.has(cat("blk.0.", module, ".bias")); };
  if (has("attn_q") || has("attn_k") || has("attn_v")) config["qkv_bias"] = true;
  if (has("attn_output")) config["o_bias"] = true;
  if (has("ffn_gate") || has("ffn_up") || has("ffn_down")) config["mlp_bias"] = true;
  const std::string model_type = config["model_type"];
  json& rope = config["rope_parameters"];
  rope["interleaved"] = model_type == "llama" || model_type == "mistral" || model_type == "mixtral";
  if (checkpoint.has(kRopeDivisors)) rope["divisors"] = vector_of(checkpoint, kRopeDivisors);
}

ModelFiles make(const json& config, const std::string& generation_config_json) {
  const ConfigReader reader(config.dump());
  return {reader.text("model_type"), reader, ConfigReader(generation_config_json, "generation_config.json"), false, nullptr};
}

}  // namespace

ModelFiles ModelFiles::read(const std::string& config_json, const std::string& generation_config_json) {
  return make(resolve_config(config_json), generation_config_json);
}

ModelFiles ModelFiles::read(Checkpoint& checkpoint) {
  json config = resolve_config(checkpoint.config_json());
  bool head_differs = false;
  if (checkpoint.is_gguf()) {
    add_gguf_facts(checkpoint, config);
  } else if (config["tie_word_embeddings"] == true && !head_is_embedding(checkpoint)) {
    config["tie_word_embeddings"] = false;
    head_differs = true;
  }
  ModelFiles files = make(config, checkpoint.generation_config_json());
  files.head_differs = head_differs;
  files.tensors = std::make_unique<NamedTensors>(checkpoint, files.model_type);
  return files;
}

}  // namespace weft
