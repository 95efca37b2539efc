#include <cmath>
#include <nlohmann/json.hpp>

#include "kernels/core/check.h"
#include "runtime/weights/gguf_config.h"
#include "runtime/weights/gguf_names.h"
#include "runtime/weights/hf_config.h"
#include "runtime/weights/json.h"

namespace weft {
namespace {

using nlohmann::json;

bool present(const json& object, const char* key) { return object.contains(key) && !object[key].is_null(); }

int64_t integer(const json& object, const char* key) {
  const json value = object.value(key, json());
  if (!value.is_number_integer() || value.get<int64_t>() < 0)
    bad_input("config.json: ", key, " is ", in_quotes(value.dump()), ", not a whole number from 0");
  return value.get<int64_t>();
}

double number(const json& object, const char* key, std::optional<double> fallback = std::nullopt) {
  if (fallback && !present(object, key)) return *fallback;
  const json value = object.value(key, json());
  if (!value.is_number()) bad_input("config.json: ", key, " is not a number");
  return value.get<double>();
}

bool flag(const json& object, const char* key) {
  const json value = object.value(key, json());
  if (!value.is_boolean()) bad_input("config.json: ", key, " is not true or false");
  return value.get<bool>();
}

std::string rope_type(const json& rope) {
  const json type = rope.value("rope_type", json());
  if (type != "default" && type != "linear" && type != "yarn" && type != "llama3")
    bad_input("config.json: rope_type ", type.dump(), " cannot be converted; default, linear, yarn and llama3 can");
  return type.get<std::string>();
}

// What GGUF has no word for is refused.
json parse_config(const std::string& config_json) {
  json config = resolve_config(config_json);
  if (config["hidden_act"] != "silu") bad_input("config.json: hidden_act must be silu");
  if (config.contains("use_sliding_window") && flag(config, "use_sliding_window") && present(config, "sliding_window"))
    bad_input("config.json: use_sliding_window cannot be converted");
  if (number(config["rope_parameters"], "partial_rotary_factor", 1) != 1)
    bad_input("config.json: partial_rotary_factor cannot be converted");
  return config;
}

void put_rope(GgufWriter& writer, const json& config, const std::string& prefix) {
  const json& rope = config["rope_parameters"];
  const std::string type = rope_type(rope);
  writer.put_f32(prefix + "rope.freq_base", number(rope, "rope_theta"));
  if (type != "linear" && type != "yarn") return;
  const double factor = number(rope, "factor");
  writer.put_string(prefix + "rope.scaling.type", type);
  writer.put_f32(prefix + "rope.scaling.factor", factor);
  if (type == "linear") return;
  writer.put_u32(prefix + "rope.scaling.original_context_length", integer(rope, "original_max_position_embeddings"));
  writer.put_f32(prefix + "rope.scaling.yarn_beta_fast", number(rope, "beta_fast", 32));
  writer.put_f32(prefix + "rope.scaling.yarn_beta_slow", number(rope, "beta_slow", 1));
  if (present(rope, "mscale") || present(rope, "mscale_all_dim"))
    bad_input(
        "config.json: YaRN's mscale and mscale_all_dim cannot be converted: this GGUF architecture has no key for them");
  if (present(rope, "truncate") && !flag(rope, "truncate"))
    bad_input("config.json: YaRN's truncate false cannot be converted: a GGUF always means true");
  if (present(rope, "attention_factor"))  // GGUF's multiplies YaRN's own 0.1 ln(factor) + 1
    writer.put_f32(prefix + "rope.scaling.attn_factor", number(rope, "attention_factor") / (0.1 * std::log(factor) + 1));
}

// What GGUF has no word for.
void check_qwen3_moe(const json& config) {
  if (!flag(config, "norm_topk_prob"))
    bad_input(
        "config.json: norm_topk_prob false cannot be converted: in a GGUF of architecture qwen3moe the weights of a token's "
        "experts always add up to one");
  if (integer(config, "decoder_sparse_step") != 1 || !config["mlp_only_layers"].empty())
    bad_input(
        "config.json: dense layers between MoE layers (decoder_sparse_step, mlp_only_layers) cannot be converted: in a GGUF "
        "of "
        "architecture qwen3moe every layer has experts");
}

}  // namespace

LlamaFamilyShape read_llama_family(const std::string& config_json) {
  const json config = parse_config(config_json);
  const std::string model_type = config["model_type"].get<std::string>();
  LlamaFamilyShape shape;
  shape.model_type = model_type;
  shape.n_layers = integer(config, "num_hidden_layers");
  constexpr int64_t kMaxLayers = 65536, kMaxExperts = 65536;
  if (shape.n_layers > kMaxLayers)
    bad_input("config.json: num_hidden_layers is ", shape.n_layers, "; at most ", kMaxLayers, " are possible");
  if (integer(config, "num_attention_heads") == 0) bad_input("config.json: num_attention_heads is 0");
  shape.head_dim = integer(config, "head_dim");
  if (shape.head_dim == 0 || shape.head_dim % 2 != 0)
    bad_input("config.json: head_dim ", shape.head_dim, " is not an even number from 2");
  if (model_type == "mixtral") {
    shape.n_experts = integer(config, "num_local_experts");
  } else if (model_type == "qwen3_moe") {
    check_qwen3_moe(config);
    shape.n_experts = integer(config, "num_experts");
  }
  if (shape.n_experts > kMaxExperts)
    bad_input("config.json describes ", shape.n_experts, " experts; at most ", kMaxExperts, " are possible");
  shape.tie_word_embeddings = flag(config, "tie_word_embeddings");
  const json& rope = config["rope_parameters"];
  shape.rope_theta = number(rope, "rope_theta");
  if (rope_type(rope) == "llama3")
    shape.llama3_rope = {number(rope, "factor"), number(rope, "low_freq_factor"), number(rope, "high_freq_factor"),
                         number(rope, "original_max_position_embeddings")};
  return shape;
}

void put_config(GgufWriter& writer, const std::string& config_json) {
  const json config = parse_config(config_json);
  const LlamaFamilyShape shape = read_llama_family(config_json);
  const char* architecture = GgufNames(shape.model_type).architecture();
  WEFT_CHECK(architecture, "no GGUF architecture for model_type ", shape.model_type);
  const std::string prefix = cat(architecture, ".");
  writer.put_string("general.architecture", architecture);
  writer.put_u32(prefix + "block_count", shape.n_layers);
  writer.put_u32(prefix + "context_length", integer(config, "max_position_embeddings"));
  writer.put_u32(prefix + "embedding_length", integer(config, "hidden_size"));
  writer.put_u32(prefix + "feed_forward_length", integer(config, "intermediate_size"));
  writer.put_u32(prefix + "attention.head_count", integer(config, "num_attention_heads"));
  writer.put_u32(prefix + "attention.head_count_kv", integer(config, "num_key_value_heads"));
  writer.put_u32(prefix + "attention.key_length", shape.head_dim);
  writer.put_u32(prefix + "attention.value_length", shape.head_dim);
  writer.put_f32(prefix + "attention.layer_norm_rms_epsilon", number(config, "rms_norm_eps"));
  writer.put_u32(prefix + "rope.dimension_count", shape.head_dim);
  writer.put_u32(prefix + "vocab_size", integer(config, "vocab_size"));
  if (shape.n_experts > 0) {
    writer.put_u32(prefix + "expert_count", shape.n_experts);
    writer.put_u32(prefix + "expert_used_count", integer(config, "num_experts_per_tok"));
    if (config.contains("moe_intermediate_size"))
      writer.put_u32(prefix + "expert_feed_forward_length", integer(config, "moe_intermediate_size"));
  }
  // Qwen's window is switched off: parse_config refused any other.
  if (!config.contains("use_sliding_window") && present(config, "sliding_window"))
    writer.put_u32(prefix + "attention.sliding_window", integer(config, "sliding_window"));
  put_rope(writer, config, prefix);
}

}  // namespace weft
