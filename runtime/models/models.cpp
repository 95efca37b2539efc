// The plain list of architectures. A new one is one file, one declaration and one entry here, and a golden.
#include <array>
#include <limits>

#include "kernels/core/check.h"
#include "runtime/models/architecture.h"
#include "runtime/models/loader.h"
#include "runtime/models/model.h"
#include "runtime/weights/hf_config.h"
#include "runtime/weights/tied_head.h"

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
  for (const Architecture& a : architectures())
    if (a.model_type == model_type) return a;
  WEFT_CHECK(false, "no architecture for the config class ", model_type);
  __builtin_unreachable();
}

namespace {

// As transformers has it: where generation_config.json says what ends an answer, config.json is not asked.
void read_token_ids(const ConfigReader& json, const ConfigReader& generation, ModelConfig& config) {
  constexpr int64_t kAny = std::numeric_limits<int32_t>::max();
  if (json.has("bos_token_id")) config.bos_token_id = static_cast<int32_t>(json.integer("bos_token_id", -kAny, kAny));
  const char* eos = "eos_token_id";
  const bool in_config = json.has(eos), in_generation = generation.has(eos);
  const auto ids = in_generation ? generation.integers(eos) : in_config ? json.integers(eos) : std::vector<int64_t>();
  for (const int64_t id : ids) {
    if (id < 0 || id >= config.vocab_size)
      bad_input("eos_token_id ", id, " is outside the vocabulary of ", config.vocab_size);
    config.eos_token_ids.push_back(static_cast<int32_t>(id));
  }
}

}  // namespace

ModelConfig read_model_config(const std::string& config_json, const std::string& generation_config_json) {
  const ConfigReader json = read_hf_config(config_json);
  ModelConfig config;
  config.model_type = json.text("model_type");
  find_architecture(config.model_type).read(json, config);
  if (config.moe_layer.empty()) config.moe_layer.assign(config.n_layers, false);
  read_token_ids(json, ConfigReader(generation_config_json, "generation_config.json"), config);
  json.finish();
  return config;
}

ModelConfig read_model_config(Checkpoint& checkpoint) {
  ModelConfig config = read_model_config(checkpoint.config_json(), checkpoint.generation_config_json());
  if (checkpoint.is_gguf()) {
    const auto has = [&](const char* module) { return checkpoint.has(cat("blk.0.", module, ".bias")); };
    config.attention_bias |= has("attn_q") || has("attn_k") || has("attn_v");
    config.output_bias |= has("attn_output");
    config.mlp_bias |= has("ffn_gate") || has("ffn_up") || has("ffn_down");
  } else if (config.tie_word_embeddings && !head_is_embedding(checkpoint)) {
    config.tie_word_embeddings = false;
    config.head_differs = true;
  }
  return config;
}

void check_tensors(const Checkpoint& checkpoint, const ModelConfig& config) {
  WeightTable table(config);
  find_architecture(config.model_type).weights(table, config);
  check_complete(checkpoint, config, table);
}

}  // namespace weft
