#include "runtime/weights/model_files.h"

#include <nlohmann/json.hpp>

#include "kernels/core/check.h"
#include "kernels/quant/quant.h"
#include "runtime/weights/hf_config.h"
#include "runtime/weights/tied_head.h"

namespace weft {
namespace {

using nlohmann::json;

std::vector<float> vector_of(const Checkpoint& checkpoint, const std::string& name) {
  const TensorInfo& info = checkpoint.info(name);
  std::vector<float> values(info.shape.empty() ? 0 : static_cast<size_t>(info.shape.back()));
  quant::dequantize(info.dtype, checkpoint.read(name).data(), values.data(), std::ssize(values));
  return values;
}

// What GGUF says by its tensors and Hugging Face by keys: which projections have biases, how q and k are permuted, RoPE's
// divisors.
void add_gguf_facts(const NamedTensors& tensors, json& config) {
  const auto has = [&](const char* module) { return tensors.find(cat("model.layers.0.", module, ".bias")) != nullptr; };
  if (has("self_attn.q_proj") || has("self_attn.k_proj") || has("self_attn.v_proj")) config["qkv_bias"] = true;
  if (has("self_attn.o_proj")) config["o_bias"] = true;
  if (has("mlp.gate_proj") || has("mlp.up_proj") || has("mlp.down_proj")) config["mlp_bias"] = true;
  json& rope = config["rope_parameters"];
  const auto q = GgufNames(config["model_type"].get<std::string>()).to_gguf("model.layers.0.self_attn.q_proj.weight");
  rope["interleaved"] = q && q->rows == GgufName::Rows::rope_pairs;
  if (tensors.checkpoint().has(kGgufRopeFreqs)) rope["divisors"] = vector_of(tensors.checkpoint(), kGgufRopeFreqs);
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
  auto tensors = std::make_unique<NamedTensors>(checkpoint, config["model_type"].get<std::string>());
  bool head_differs = false;
  if (checkpoint.is_gguf()) {
    add_gguf_facts(*tensors, config);
  } else if (config["tie_word_embeddings"] == true && !head_is_embedding(checkpoint)) {
    config["tie_word_embeddings"] = false;
    head_differs = true;
  }
  ModelFiles files = make(config, checkpoint.generation_config_json());
  files.head_differs = head_differs;
  files.tensors = std::move(tensors);
  return files;
}

}  // namespace weft
