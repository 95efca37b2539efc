// The plain list of architectures. A new one is one file, one declaration and one entry here, and a golden.
#include <algorithm>
#include <array>

#include "kernels/core/check.h"
#include "runtime/models/architecture.h"
#include "runtime/models/model.h"

namespace weft {

namespace llama { extern const Architecture architecture; }
namespace mistral { extern const Architecture architecture; }
namespace mixtral { extern const Architecture architecture; }
namespace qwen2 { extern const Architecture architecture; }
namespace qwen3 { extern const Architecture architecture; }
namespace qwen3_moe { extern const Architecture architecture; }

std::span<const Architecture> architectures() {
  static const std::array list = {llama::architecture, mistral::architecture, mixtral::architecture,
                                  qwen2::architecture, qwen3::architecture,   qwen3_moe::architecture};
  return list;
}

std::vector<std::string> known_model_types() {
  std::vector<std::string> names;
  for (const Architecture& a : architectures()) names.push_back(a.model_type);
  return names;
}

const Architecture& find_architecture(const std::string& model_type) {
  std::string known;
  for (const Architecture& a : architectures()) {
    if (a.model_type == model_type) return a;
    known += (known.empty() ? "" : ", ") + std::string(a.model_type);
  }
  bad_input("unknown architecture: model_type \"", model_type, "\"; known are ", known);
}

ModelConfig read_model_config(const std::string& config_json, const std::string& generation_config_json) {
  const ConfigReader json(config_json);
  const auto model_type = json.text("model_type");
  if (!model_type) bad_input("config.json has no model_type");
  ModelConfig config;
  config.model_type = *model_type;
  find_architecture(*model_type).read(json, config);
  if (config.moe_layer.empty()) config.moe_layer.assign(config.n_layers, false);
  if (json.has("quantization_config")) bad_input("config.json: quantization_config is not supported; use a GGUF file instead");
  json.finish();

  const ConfigReader generation(generation_config_json, "generation_config.json");
  for (const ConfigReader* source : {&json, &generation})
    for (const int64_t id : source->integers("eos_token_id").value_or(std::vector<int64_t>{})) {
      if (id < 0 || id >= config.vocab_size) bad_input("eos_token_id ", id, " is outside the vocabulary of ", config.vocab_size);
      if (std::find(config.eos_token_ids.begin(), config.eos_token_ids.end(), id) == config.eos_token_ids.end())
        config.eos_token_ids.push_back(static_cast<int32_t>(id));
    }
  if (const auto bos = json.integer("bos_token_id")) config.bos_token_id = static_cast<int32_t>(*bos);
  return config;
}

}  // namespace weft
