#include "runtime/weights/hf_config.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "kernels/core/check.h"
#include "runtime/weights/config_class.h"
#include "runtime/weights/json.h"

namespace weft {
namespace {

using nlohmann::json;

constexpr std::array kQuantisation = {"quantization_config", "quantization", "compression_config"};
constexpr std::array kRopeKeys = {"rope_parameters", "rope_scaling", "rope_theta", "partial_rotary_factor",
                                  "original_max_position_embeddings"};
// Two names of one key: of a class's own name, and how some files spell it.
constexpr std::array<std::pair<const char*, const char*>, 3> kAliases = {
    {{"num_local_experts", "num_experts"},
     {"num_experts", "num_local_experts"},
     {"max_position_embeddings", "max_sequence_length"}}};

bool present(const json& object, const char* key) { return object.contains(key) && !object[key].is_null(); }
bool falsy(const json& value) { return value.is_null() || value.empty() || value == false || value == 0; }

// Python does not mind 32768.0 where it counts; nor do we.
void make_whole(json& value) {
  if (value.is_structured())
    for (json& element : value) make_whole(element);
  if (!value.is_number_float()) return;
  const double number = value.get<double>();
  if (std::abs(number) < 0x1p53 && number == std::floor(number)) value = static_cast<int64_t>(number);
}

void refuse_quantisation(const json& config) {
  for (const char* key : kQuantisation) {
    if (!present(config, key)) continue;
    const json& value = config[key];
    const json method = value.is_object() ? value.value("quant_method", json()) : json();
    bad_input("config.json: ", key, method.is_string() ? cat(" (", in_quotes(method.get<std::string>()), ")") : "",
              " is not supported; use a GGUF file or the unquantised checkpoint instead");
  }
}

void check_fixed(const std::string& key, const json& value, const json& wanted, std::string_view model_type) {
  if (value == wanted || (value.is_null() && falsy(wanted))) return;
  bad_input("config.json: ", key, " = ", shown(value), " is not supported with model_type ", model_type, ", only ",
            shown(wanted));
}

void refuse_unknown(const json& config, const ConfigClass& known, const json& defaults) {
  json fixed = json::parse(fixed_in_every_class());
  fixed.update(json::parse(known.fixed));
  for (const auto& [key, value] : config.items()) {
    const bool of_rope = std::find(kRopeKeys.begin(), kRopeKeys.end(), key) != kRopeKeys.end();
    if (defaults.contains(key) || of_rope || key == "model_type") continue;
    if (fixed.contains(key))
      check_fixed(key, value, fixed[key], known.model_type);
    else if (!known.ignores(key) && !value.is_null())
      bad_input("config.json: unknown key ", key, " = ", shown(value));
  }
}

void apply_aliases(json& config, const ConfigClass& known, const json& defaults) {
  for (const auto& [key, alias] : kAliases) {
    if (!defaults.contains(key) || !present(config, alias)) continue;
    if (!config.contains(key)) config[key] = config[alias];
    if (!known.ignores(alias) && config[key] != config[alias])
      bad_input("config.json: ", key, " ", shown(config[key]), " contradicts ", alias, " ", shown(config[alias]));
    config.erase(alias);
  }
}

// Dual chunk attention (Qwen2.5-1M; An et al. 2024) is plain attention while all of a sequence lies in its first chunk. That
// far the model is what its config says, and no further.
void apply_dual_chunks(const json& chunks, json& resolved) {
  if (chunks.is_null()) return;
  const json size = chunks.is_object() ? chunks.value("chunk_size", json()) : json();
  const json local = chunks.is_object() ? chunks.value("local_size", json()) : json();
  if (!size.is_number_integer() || !local.is_number_integer() || size <= local)
    bad_input("config.json: dual_chunk_attention_config = ", shown(chunks), " has no chunk_size above its local_size");
  const json limit = size.get<int64_t>() - local.get<int64_t>();
  if (resolved["max_position_embeddings"] > limit) resolved["max_position_embeddings"] = limit;
}

// rope_scaling, if it says anything, replaces rope_parameters; in either, a key of its own goes before one beside it.
json rope_parameters(const json& config, const ConfigClass& known, const json& max_positions) {
  json rope = json::object();
  for (const char* key : {"rope_parameters", "rope_scaling"}) {
    if (!present(config, key)) continue;
    if (!config[key].is_object()) bad_input("config.json: ", key, " must be an object, not ", shown(config[key]));
    if (!config[key].empty()) rope = config[key];
  }
  const auto inherit = [&](const char* key, const json& value) {
    if (!rope.contains(key)) rope[key] = value;
  };
  inherit("rope_theta", config.contains("rope_theta") ? config["rope_theta"] : json(known.rope_theta));
  if (rope["rope_theta"].is_null()) bad_input("config.json: rope_theta must be a number, not null");
  if (present(config, "partial_rotary_factor")) inherit("partial_rotary_factor", config["partial_rotary_factor"]);
  inherit("rope_type", rope.value("type", json("default")));
  rope.erase("type");
  rope.erase("finetuned");                                  // YaRN's authors note how their model came about
  if (present(config, "original_max_position_embeddings"))  // Phi's place for it, which transformers prefers
    rope["original_max_position_embeddings"] = config["original_max_position_embeddings"];
  else if (rope["rope_type"] == "yarn" || rope["rope_type"] == "llama3")
    inherit("original_max_position_embeddings", max_positions);
  return rope;
}

// attn_factor, as DeepSeek-R1-0528-Qwen3-8B's config and the GGUF key of that name mean it: YaRN's own factor times this. (Its
// value there is 1 / (0.1 ln 4 + 1): cos and sin stay as they are. transformers does not read the key.)
void apply_attn_factor(json& rope) {
  if (rope["rope_type"] != "yarn" || present(rope, "attention_factor") || present(rope, "mscale")) return;
  if (!present(rope, "attn_factor") || !rope["attn_factor"].is_number() || !rope.value("factor", json()).is_number()) return;
  const double factor = rope["factor"].get<double>(), own = factor <= 1 ? 1 : 0.1 * std::log(factor) + 1;
  rope["attention_factor"] = own * rope["attn_factor"].get<double>();
  rope.erase("attn_factor");
}

void fill_derived(json& resolved) {
  const json heads = resolved["num_attention_heads"], hidden = resolved["hidden_size"];
  if (resolved["num_key_value_heads"].is_null()) resolved["num_key_value_heads"] = heads;
  if (!resolved["head_dim"].is_null() || !heads.is_number_integer() || !hidden.is_number_integer() || heads <= 0) return;
  if (hidden.get<int64_t>() % heads.get<int64_t>() != 0)
    bad_input("config.json: hidden_size ", hidden.dump(), " is not a multiple of num_attention_heads ", heads.dump(),
              " and there is no head_dim");
  resolved["head_dim"] = hidden.get<int64_t>() / heads.get<int64_t>();
}

}  // namespace

json resolve_config(const std::string& config_json) {
  json config = parse_json_object(config_json, "config.json");
  make_whole(config);
  if (!config.contains("model_type")) bad_input("config.json has no model_type");
  if (!config["model_type"].is_string())
    bad_input("config.json: model_type must be a string, not ", shown(config["model_type"]));
  refuse_quantisation(config);
  const ConfigClass& known = find_config_class(config["model_type"].get<std::string>());
  json resolved = json::parse(known.defaults);
  apply_aliases(config, known, resolved);
  const json chunks = config.value("dual_chunk_attention_config", json());
  config.erase("dual_chunk_attention_config");
  refuse_unknown(config, known, resolved);

  for (const auto& [key, fallback] : resolved.items()) {
    if (!config.contains(key)) continue;
    if (config[key].is_null() && !fallback.is_null() && !known.may_be_null(key))
      bad_input("config.json: ", key, " must not be null; leave it out for the default, ", shown(fallback));
    resolved[key] = config[key];
  }
  fill_derived(resolved);
  apply_dual_chunks(chunks, resolved);
  json& rope = resolved["rope_parameters"] = rope_parameters(config, known, resolved["max_position_embeddings"]);
  apply_attn_factor(rope);
  for (const char* key : {"torch_dtype", "dtype"})
    if (present(config, key)) resolved["dtype"] = config[key];
  resolved["model_type"] = known.model_type;
  return resolved;
}

ConfigReader read_hf_config(const std::string& config_json) { return ConfigReader(resolve_config(config_json).dump()); }

}  // namespace weft
