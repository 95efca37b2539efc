#include "runtime/weights/gguf_config.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "kernels/core/check.h"
#include "runtime/weights/end_tokens.h"
#include "runtime/weights/gguf_names.h"
#include "runtime/weights/json.h"

namespace weft {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 4> kArchitectures = {"llama", "qwen2", "qwen3", "qwen3moe"};

// The keys of one architecture: "llama.block_count" is key("block_count"). Remembers what was asked for.
struct Metadata {
  const GgufFile& file;
  std::string architecture;
  mutable std::set<std::string> used = {};

  std::string key(const char* name) const {
    used.insert(architecture + "." + name);
    return architecture + "." + name;
  }
  std::optional<int64_t> integer(const char* name) const { return file.get_int(key(name)); }
  int64_t required_int(const char* name) const {
    const auto value = integer(name);
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

// What other architectures have and these do not, with the values that say so; a boolean counts as 0 or 1.
struct FixedKey {
  std::string_view name;
  double value, also;
};
constexpr std::array<FixedKey, 26> kFixed = {{{"attention.causal", 1, 1},
                                              {"attention.clamp_kqv", 0, 0},
                                              {"attention.max_alibi_bias", 0, 0},
                                              {"attn_logit_softcapping", 0, 0},
                                              {"final_logit_softcapping", 0, 0},
                                              {"router_logit_softcapping", 0, 0},
                                              {"logit_scale", 1, 0},
                                              {"embedding_scale", 1, 0},
                                              {"residual_scale", 1, 0},
                                              {"expert_shared_count", 0, 0},
                                              {"expert_shared_feed_forward_length", 0, 0},
                                              {"expert_weights_scale", 1, 0},
                                              {"expert_weights_norm", 1, 1},
                                              {"expert_gating_func", 1, 0},  // softmax
                                              {"expert_group_count", 0, 1},
                                              {"expert_group_used_count", 0, 1},
                                              {"leading_dense_block_count", 0, 0},
                                              {"moe_every_n_layers", 0, 1},
                                              {"interleave_moe_layer_step", 0, 1},
                                              {"nextn_predict_layers", 0, 0},
                                              {"use_parallel_residual", 0, 0},
                                              {"swin_norm", 0, 0},
                                              {"rope.scaling.yarn_ext_factor", 1, -1},
                                              {"rope.scaling.yarn_log_multiplier", 0, 0},
                                              {"attention.sliding_window_pattern", 0, 1},
                                              {"full_attention_interval", 0, 1}}};
// Of the file or its use, not of the forward pass.
constexpr std::array<std::string_view, 8> kHarmless = {"vocab_size",
                                                       "tensor_data_layout",
                                                       "pooling_type",
                                                       "rope.scaling.finetuned",
                                                       "rope.scaling.original_context_length",
                                                       "attention.layer_norm_epsilon",
                                                       "expert_used_count",
                                                       "classifier.output_labels"};

void check_fixed(const GgufFile& file, const std::string& key, const GgufValue& value, const FixedKey& fixed) {
  if (value.is_array || value.type == GgufType::string) bad_input(file.path(), ": metadata ", key, " is not supported");
  const double number = value.type == GgufType::boolean ? *file.get_bool(key) : *file.get_float(key);
  if (number == fixed.value || number == fixed.also) return;
  bad_input(file.path(), ": metadata ", key, " = ", number, " is not supported, only ", fixed.value,
            fixed.also == fixed.value ? "" : cat(" or ", fixed.also));
}

// Every key of the architecture was read, is harmless, or has the value that its absence has.
void refuse_unknown(const Metadata& metadata) {
  const std::string prefix = metadata.architecture + ".";
  for (const auto& [key, value] : metadata.file.metadata()) {
    if (!key.starts_with(prefix) || metadata.used.contains(key)) continue;
    const std::string_view name = std::string_view(key).substr(prefix.size());
    const auto fixed = std::find_if(kFixed.begin(), kFixed.end(), [&](const FixedKey& f) { return f.name == name; });
    if (fixed != kFixed.end())
      check_fixed(metadata.file, key, value, *fixed);
    else if (std::find(kHarmless.begin(), kHarmless.end(), name) == kHarmless.end())
      bad_input(metadata.file.path(), ": unknown metadata ", key);
  }
}

// Two spellings of one number must agree, and `name` must be `wanted` where the file says it.
void only(const Metadata& metadata, const char* name, double wanted, const std::string& why) {
  const auto value = metadata.real(name);
  if (value && std::abs(*value - wanted) > 1e-5 * std::abs(wanted))
    bad_input(metadata.file.path(), ": metadata ", metadata.key(name), " is ", *value, ", and only ", wanted, ", ", why,
              ", is supported");
}

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
  const auto embedding = file.tensors().find(kGgufEmbedding);
  if (embedding != file.tensors().end()) return embedding->second.info.shape.front();  // padding included
  if (const auto size = file.get_int(metadata.key("vocab_size"))) return *size;
  const auto tokens = file.metadata().find("tokenizer.ggml.tokens");
  if (tokens == file.metadata().end() || !tokens->second.is_array)
    bad_input(file.path(), " has neither ", kGgufEmbedding, " nor a vocabulary");
  return static_cast<int64_t>(tokens->second.count);
}

// All of RoPE. llama.cpp's defaults are not those of any config class, so everything is said.
json rope_parameters(const Metadata& metadata) {
  const GgufFile& file = metadata.file;
  const auto scale_linear = metadata.real("rope.scale_linear"), scaling_factor = metadata.real("rope.scaling.factor");
  const double factor = scaling_factor.value_or(scale_linear.value_or(0));
  std::string type(file.get_string(metadata.key("rope.scaling.type")).value_or(factor != 0 ? "linear" : "none"));
  if (type == "linear" && (factor == 0 || factor == 1)) type = "none";
  if (type != "none" && type != "linear" && type != "yarn")
    bad_input(file.path(), ": metadata ", metadata.key("rope.scaling.type"), " is ", in_quotes(type),
              "; none, linear and yarn are read");
  json rope = {{"rope_theta", metadata.real("rope.freq_base").value_or(10000.0)},
               {"rope_type", type == "none" ? "default" : type}};
  if (type != "yarn") {
    only(metadata, "rope.scaling.attn_factor", 1, "without YaRN");
    only(metadata, "rope.scaling.yarn_attn_factor", 1, "without YaRN");
    for (const char* unused : {"rope.scaling.yarn_beta_fast", "rope.scaling.yarn_beta_slow"}) metadata.key(unused);
  }
  if (type != "none") rope["factor"] = factor == 0 ? 1.0 : factor;
  if (type != "yarn") return rope;
  if (const auto length = metadata.integer("rope.scaling.original_context_length"))
    rope["original_max_position_embeddings"] = *length;
  if (const auto value = metadata.real("rope.scaling.yarn_beta_fast")) rope["beta_fast"] = *value;
  if (const auto value = metadata.real("rope.scaling.yarn_beta_slow")) rope["beta_slow"] = *value;
  for (const char* name : {"rope.scaling.attn_factor", "rope.scaling.yarn_attn_factor"})  // multiplies YaRN's own factor
    if (const auto value = metadata.real(name)) rope["attn_factor"] = *value;
  return rope;
}

// eos_token_id: one id, or a list where several tokens end a text.
void add_token_ids(const GgufFile& file, json& config) {
  const auto bos = file.get_int("tokenizer.ggml.bos_token_id");
  config["bos_token_id"] = bos ? json(*bos) : json();
  const json eos = end_token_ids(file);
  config["eos_token_id"] = eos.empty() ? json() : eos.size() == 1 ? eos[0] : eos;
}

// What only some of the architectures have, and the name Hugging Face gives the combination.
void add_architecture(const Metadata& metadata, json& config) {
  const GgufFile& file = metadata.file;
  const int64_t experts = metadata.integer("expert_count").value_or(0);
  const int64_t window = metadata.integer("attention.sliding_window").value_or(0);
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
  } else if ((experts > 0 && model_type != "qwen3_moe") || window > 0) {
    bad_input(file.path(), ": experts or a sliding window are not read with the architecture ", metadata.architecture);
  }
  config["model_type"] = model_type;
  config["architectures"] = {form + "ForCausalLM"};
}

}  // namespace

std::string gguf_config_json(const GgufFile& file) {
  const Metadata metadata{file, read_architecture(file)};
  const int64_t heads = metadata.required_int("attention.head_count"), hidden = metadata.required_int("embedding_length");
  const auto key_length = metadata.integer("attention.key_length");
  if (!key_length && (heads <= 0 || hidden % heads != 0))
    bad_input(file.path(), ": metadata ", metadata.key("embedding_length"), " ", hidden, " is not a multiple of ",
              metadata.key("attention.head_count"), " ", heads);
  const int64_t head_dim = key_length ? *key_length : hidden / heads;
  const auto feed_forward = metadata.integer("feed_forward_length");  // a model of experts alone may lack it
  json config = {
      {"hidden_act", "silu"},
      {"hidden_size", hidden},
      {"intermediate_size", feed_forward ? *feed_forward : metadata.required_int("expert_feed_forward_length")},
      {"num_hidden_layers", metadata.required_int("block_count")},
      {"num_attention_heads", heads},
      {"num_key_value_heads", metadata.integer("attention.head_count_kv").value_or(heads)},
      {"head_dim", head_dim},
      {"max_position_embeddings", metadata.required_int("context_length")},
      {"rope_parameters", rope_parameters(metadata)},
      {"vocab_size", vocab_size(file, metadata)},
      {"tie_word_embeddings", !file.tensors().contains(kGgufHead)},
  };
  const auto epsilon = metadata.real("attention.layer_norm_rms_epsilon");
  if (!epsilon) bad_input(file.path(), ": metadata ", metadata.key("attention.layer_norm_rms_epsilon"), " is missing");
  config["rms_norm_eps"] = *epsilon;
  add_token_ids(file, config);
  add_architecture(metadata, config);
  only(metadata, "attention.value_length", static_cast<double>(head_dim), "the length of keys");
  only(metadata, "rope.dimension_count", static_cast<double>(head_dim), "the whole head");
  if (const auto scale = metadata.real("attention.scale"); scale && *scale != 0)
    only(metadata, "attention.scale", 1 / std::sqrt(static_cast<double>(head_dim)), "1 / sqrt(key length)");
  only(metadata, "embedding_length_out", static_cast<double>(hidden), "the model's own width");
  if (config["model_type"] == "mixtral")
    only(metadata, "expert_feed_forward_length", config["intermediate_size"].get<double>(), "feed_forward_length");
  refuse_unknown(metadata);
  return config.dump(2);
}

}  // namespace weft
