#include "runtime/weights/gguf_config.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "kernels/core/check.h"
#include "runtime/weights/end_tokens.h"
#include "runtime/weights/json.h"

namespace weft {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 4> kArchitectures = {"llama", "qwen2", "qwen3", "qwen3moe"};

// The keys of one architecture: "llama.block_count" is key("block_count").
struct Metadata {
  const GgufFile& file;
  std::string architecture;

  std::string key(const char* name) const { return architecture + "." + name; }
  int64_t required_int(const char* name) const {
    const auto value = file.get_int(key(name));
    if (!value) bad_input(file.path(), ": metadata ", key(name), " is missing");
    return *value;
  }
  // The shortest decimal that reads back as the same f32: 1e-05, not 9.999999747378752e-06.
  static double as_written(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.7g", value);
    const double decimal = std::strtod(text, nullptr);
    return static_cast<float>(decimal) == static_cast<float>(value) ? decimal : value;
  }
  std::optional<double> real(const char* name) const {
    const auto value = file.get_float(key(name));
    if (!value) return std::nullopt;
    if (!std::isfinite(*value)) bad_input(file.path(), ": metadata ", key(name), " is ", *value);
    return as_written(*value);
  }
};

std::string read_architecture(const GgufFile& file) {
  const auto found = file.get_string("general.architecture");
  if (!found) bad_input(file.path(), ": metadata general.architecture is missing");
  if (std::find(kArchitectures.begin(), kArchitectures.end(), *found) == kArchitectures.end()) {
    std::string known;
    for (const auto architecture : kArchitectures) known += (known.empty() ? "" : ", ") + std::string(architecture);
    bad_input(file.path(), ": architecture ", in_quotes(*found), " is not one Weft reads from GGUF (", known, ")");
  }
  return std::string(*found);
}

int64_t vocab_size(const GgufFile& file, const Metadata& metadata) {
  const auto embedding = file.tensors().find("token_embd.weight");
  if (embedding != file.tensors().end()) return embedding->second.info.shape.front();  // padding included
  if (const auto size = file.get_int(metadata.key("vocab_size"))) return *size;
  const auto tokens = file.metadata().find("tokenizer.ggml.tokens");
  if (tokens == file.metadata().end() || !tokens->second.is_array)
    bad_input(file.path(), " has neither token_embd.weight nor a vocabulary");
  return static_cast<int64_t>(tokens->second.count);
}

// Linear and YaRN scaling; null where frequencies are as trained.
json rope_scaling(const Metadata& metadata) {
  const GgufFile& file = metadata.file;
  double factor = metadata.real("rope.scaling.factor").value_or(metadata.real("rope.scale_linear").value_or(0));
  const std::string type(file.get_string(metadata.key("rope.scaling.type")).value_or(factor != 0 ? "linear" : "none"));
  if (type == "none" || (type == "linear" && (factor == 0 || factor == 1))) return nullptr;
  if (type != "linear" && type != "yarn")
    bad_input(file.path(), ": metadata ", metadata.key("rope.scaling.type"), " is ", in_quotes(type),
              "; none, linear and yarn are read");
  json scaling = {{"rope_type", type}, {"factor", factor == 0 ? 1.0 : factor}};
  if (type == "linear") return scaling;
  if (const auto length = file.get_int(metadata.key("rope.scaling.original_context_length")))
    scaling["original_max_position_embeddings"] = *length;
  if (const auto value = metadata.real("rope.scaling.yarn_beta_fast")) scaling["beta_fast"] = *value;
  if (const auto value = metadata.real("rope.scaling.yarn_beta_slow")) scaling["beta_slow"] = *value;
  if (const auto value = metadata.real("rope.scaling.attn_factor"))  // multiplies YaRN's own factor
    scaling["attention_factor"] = *value * (0.1 * std::log(scaling["factor"].get<double>()) + 1);
  return scaling;
}

// eos_token_id: one id, or a list where several tokens end a text.
void add_token_ids(const GgufFile& file, json& config) {
  if (const auto bos = file.get_int("tokenizer.ggml.bos_token_id")) config["bos_token_id"] = *bos;
  const json eos = end_token_ids(file);
  if (!eos.empty()) config["eos_token_id"] = eos.size() == 1 ? eos[0] : eos;
}

// What only some of the architectures have, and the name Hugging Face gives the combination.
void add_architecture(const Metadata& metadata, json& config) {
  const GgufFile& file = metadata.file;
  const int64_t experts = file.get_int(metadata.key("expert_count")).value_or(0);
  const int64_t window = file.get_int(metadata.key("attention.sliding_window")).value_or(0);
  std::string model_type = metadata.architecture, form = metadata.architecture == "qwen2" ? "Qwen2" : "Qwen3";
  if (metadata.architecture == "qwen3moe") {
    if (experts == 0) bad_input(file.path(), ": metadata ", metadata.key("expert_count"), " is missing");
    model_type = "qwen3_moe", form = "Qwen3Moe";
    config["num_experts"] = experts;
    config["num_experts_per_tok"] = metadata.required_int("expert_used_count");
    config["moe_intermediate_size"] = metadata.required_int("expert_feed_forward_length");
    config["norm_topk_prob"] = true;  // so llama.cpp computes it, and so the released models are
  }
  if (metadata.architecture == "llama") {
    model_type = experts > 0 ? "mixtral" : window > 0 ? "mistral" : "llama";
    form = experts > 0 ? "Mixtral" : window > 0 ? "Mistral" : "Llama";
    if (experts > 0) {
      config["num_local_experts"] = experts;
      config["num_experts_per_tok"] = metadata.required_int("expert_used_count");
    }
    if (model_type != "llama") config["sliding_window"] = window > 0 ? json(window) : json(nullptr);
    if (model_type == "llama") {
      config["attention_bias"] = file.tensors().contains("blk.0.attn_q.bias");
      config["mlp_bias"] = file.tensors().contains("blk.0.ffn_gate.bias");
    }
  } else if ((experts > 0 && model_type != "qwen3_moe") || window > 0) {
    bad_input(file.path(), ": experts or a sliding window are not read with the architecture ", metadata.architecture);
  }
  config["model_type"] = model_type;
  config["architectures"] = {form + "ForCausalLM"};
}

}  // namespace

std::string gguf_config_json(const GgufFile& file) {
  const Metadata metadata{file, read_architecture(file)};
  const int64_t heads = metadata.required_int("attention.head_count");
  json config = {
      {"hidden_act", "silu"},
      {"hidden_size", metadata.required_int("embedding_length")},
      {"intermediate_size", metadata.required_int("feed_forward_length")},
      {"num_hidden_layers", metadata.required_int("block_count")},
      {"num_attention_heads", heads},
      {"num_key_value_heads", file.get_int(metadata.key("attention.head_count_kv")).value_or(heads)},
      {"max_position_embeddings", metadata.required_int("context_length")},
      {"rope_theta", metadata.real("rope.freq_base").value_or(10000.0)},
      {"vocab_size", vocab_size(file, metadata)},
      {"tie_word_embeddings", !file.tensors().contains("output.weight")},
  };
  const auto epsilon = metadata.real("attention.layer_norm_rms_epsilon");
  if (!epsilon) bad_input(file.path(), ": metadata ", metadata.key("attention.layer_norm_rms_epsilon"), " is missing");
  config["rms_norm_eps"] = *epsilon;
  if (const auto head_dim = file.get_int(metadata.key("attention.key_length"))) {
    if (file.get_int(metadata.key("attention.value_length")).value_or(*head_dim) != *head_dim)
      bad_input(file.path(), ": keys and values of different length are not supported");
    config["head_dim"] = *head_dim;
  }
  if (json scaling = rope_scaling(metadata); !scaling.is_null()) config["rope_scaling"] = std::move(scaling);
  add_token_ids(file, config);
  add_architecture(metadata, config);
  return config.dump(2);
}

}  // namespace weft
