// Every key of every config class: left out, null, and set, against what transformers makes of the same config.json
// (tests/golden/make_configs.py).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "kernels/core/check.h"
#include "runtime/layers/forms.h"
#include "runtime/models/model.h"
#include "runtime/weights/config_class.h"
#include "tests/support/source_dir.h"

namespace weft {
namespace {

using nlohmann::json;

const char* rope_name(RopeForm::Type type) {
  static constexpr const char* kNames[] = {"default", "linear", "yarn", "llama3"};
  return kNames[static_cast<int>(type)];
}

// A model as its config alone describes it, and what it declares.
struct Described {
  ModelFiles files;
  Census census;
  ModelInfo info;
  RopeForm rope;

  explicit Described(const std::string& config_json)
      : files(ModelFiles::read(config_json, "{}")), info(make_model(census, files).info), rope(read_rope(files.config)) {}

  // Of every layer, from what it says of itself.
  std::vector<int> windows() const {
    std::vector<int> windows;
    const std::string key = "sliding window ";
    for (const Census::Module& module : census.modules()) {
      if (module.component != "attention") continue;
      const size_t at = module.kind.find(key);
      windows.push_back(at == module.kind.npos ? 0 : std::stoi(module.kind.substr(at + key.size())));
    }
    return windows;
  }
  const Census::Weight* experts() const {
    for (const Census::Weight& weight : census.weights())
      if (weight.component == "experts") return &weight;
    return nullptr;
  }
  bool says(const std::string& component, const std::string& text) const {
    return std::any_of(census.modules().begin(), census.modules().end(), [&](const Census::Module& module) {
      return module.component == component && module.kind.find(text) != module.kind.npos;
    });
  }
};

// In the words of the golden. What a model has not is null there, and so it is here.
json described(const Described& d) {
  const AttentionForm attention = read_attention(d.files.config);
  const auto tensors = d.census.tensors();
  const bool yarn = d.rope.type == RopeForm::Type::yarn, norms_its_weights = d.info.model_type == "qwen3_moe";
  const auto if_any = [](bool any, json value) { return any ? value : json(); };
  const auto has = [&](const std::string& name) { return tensors.contains(name); };
  json moe_layers = json::array();
  for (int i = 0; i < d.info.n_layers; ++i)
    moe_layers.push_back(has(cat("model.layers.", i, ".mlp.gate.weight")) ||
                         has(cat("model.layers.", i, ".block_sparse_moe.gate.weight")));
  const Census::Weight* experts = d.experts();
  return {{"vocab_size", d.info.vocab_size},
          {"hidden_size", d.info.hidden_size},
          {"intermediate_size", read_mlp(d.files.config).width},
          {"n_layers", d.info.n_layers},
          {"n_heads", attention.heads},
          {"n_kv_heads", attention.kv_heads},
          {"head_dim", attention.head_dim},
          {"rms_norm_eps", read_norm(d.files.config).eps},
          {"max_position_embeddings", d.info.max_position_embeddings},
          {"tie_word_embeddings", !has("lm_head.weight")},
          {"qkv_bias", has("model.layers.0.self_attn.q_proj.bias")},
          {"output_bias", has("model.layers.0.self_attn.o_proj.bias")},
          {"mlp_bias", has("model.layers.0.mlp.gate_proj.bias")},
          {"window", d.windows()},
          {"moe_layer", moe_layers},
          {"rope",
           {{"type", rope_name(d.rope.type)},
            {"rope_theta", d.rope.rope_theta},
            {"factor", if_any(yarn, d.rope.factor)},
            {"original_max_position_embeddings", if_any(yarn, d.rope.original_max_position_embeddings)},
            {"beta_fast", if_any(yarn, d.rope.beta_fast)},
            {"beta_slow", if_any(yarn, d.rope.beta_slow)}}},
          {"n_experts", if_any(d.info.n_experts > 0, d.info.n_experts)},
          {"experts_per_token", if_any(experts, experts ? experts->copies.active : 0)},
          {"normalise", if_any(norms_its_weights, d.says("router", "normalised"))},
          {"expert_size", if_any(norms_its_weights, experts ? experts->parts[0].rows.size() : 0)},
          {"bos_token_id", d.info.bos_token_id ? json(*d.info.bos_token_id) : json()},
          {"eos_token_ids", d.info.eos_token_ids}};
}

class ConfigGolden : public testing::TestWithParam<std::string> {};

TEST_P(ConfigGolden, ReadsWhatTransformersReads) {
  std::ifstream file(source_dir() / "tests/golden/configs" / (GetParam() + ".json"));
  for (const json& c : json::parse(file)) {
    SCOPED_TRACE(c["name"].get<std::string>());
    if (c["expected"].is_null()) {
      EXPECT_THROW(Described(c["config"].dump()), InputError);
      continue;
    }
    json expected = c["expected"];
    expected["rms_norm_eps"] = expected["rms_norm_eps"].get<float>();
    EXPECT_EQ(described(Described(c["config"].dump())), expected);
  }
}

INSTANTIATE_TEST_SUITE_P(All, ConfigGolden, testing::Values("llama", "mistral", "mixtral", "qwen2", "qwen3", "qwen3_moe"),
                         [](const auto& info) { return info.param; });

Described read(const std::string& model_type, const json& keys) {
  json config = keys;
  config["model_type"] = model_type;
  return Described(config.dump());
}

std::string refusal(const std::string& model_type, const json& keys) {
  try {
    read(model_type, keys);
  } catch (const InputError& e) {
    return e.what();
  }
  return "accepted";
}

TEST(ConfigKeys, AnUnknownOneIsRefusedWhateverItsValue) {
  for (const json& value : {json(true), json(false), json(0), json(json::object()), json("")})
    EXPECT_THAT(refusal("llama", {{"upside_down", value}}), testing::HasSubstr("unknown key upside_down = " + value.dump()));
  EXPECT_EQ(refusal("llama", {{"upside_down", nullptr}}), "accepted");
}

TEST(ConfigKeys, WhatTheClassFixesMayBeSaid) {
  for (const ConfigClass& known : config_classes()) {
    const std::string type(known.model_type);
    json fixed = json::parse(fixed_in_every_class());
    fixed.update(json::parse(known.fixed));
    EXPECT_EQ(refusal(type, fixed), "accepted");
    for (const auto& [key, value] : fixed.items()) {
      const json other = value.is_boolean() ? json(!value.get<bool>()) : json(7);
      EXPECT_THAT(refusal(type, {{key, other}}), testing::HasSubstr(key + " = " + other.dump() + " is not supported"));
    }
  }
  EXPECT_THAT(refusal("qwen2", {{"is_causal", nullptr}}), testing::HasSubstr("is_causal = null"));  // both directions
  EXPECT_EQ(refusal("llama", {{"use_mrope", nullptr}}), "accepted");
  EXPECT_EQ(
      refusal(
          "qwen3_moe",
          {{"shared_expert_intermediate_size", 0}, {"qkv_bias", false}, {"use_qk_norm", true}, {"max_window_layers", 48}}),
      "accepted");
}

TEST(ConfigKeys, BookkeepingIsIgnored) {
  EXPECT_EQ(refusal("llama", {{"_name_or_path", "x"},
                              {"finetuned", true},
                              {"internal_version", 3},
                              {"pretraining_tp", 2},
                              {"pad_token_id", -1},
                              {"unsloth_fixed", true},
                              {"auto_map", json::object()}}),
            "accepted");
}

TEST(ConfigKeys, WhatOneClassIgnoresAnotherRefuses) {
  for (const json& value : {json(false), json(0), json(0.5)}) {
    for (const char* type : {"mixtral", "qwen3_moe"})
      EXPECT_EQ(refusal(type, {{"router_aux_loss_coef", value}}), "accepted");
    for (const char* type : {"llama", "mistral", "qwen2", "qwen3"})
      EXPECT_THAT(refusal(type, {{"router_aux_loss_coef", value}}), testing::HasSubstr("unknown key router_aux_loss_coef"));
  }
  EXPECT_EQ(refusal("llama", {{"use_sliding_window", false}, {"max_window_layers", 28}, {"is_llama_config", true}}),
            "accepted");
  EXPECT_THAT(refusal("mixtral", {{"max_window_layers", 28}}), testing::HasSubstr("unknown key max_window_layers"));
  EXPECT_THAT(refusal("qwen2", {{"is_llama_config", false}}), testing::HasSubstr("unknown key is_llama_config"));
  for (const ConfigClass& known : config_classes())
    EXPECT_EQ(refusal(std::string(known.model_type), {{"is_decoder", true}, {"pad_token_id", 0}}), "accepted");
}

TEST(ConfigKeys, NoneStandsTwice) {
  const auto twice = [](const std::string& config, const std::string& generation) -> std::string {
    try {
      info_of(ModelFiles::read(config, generation));
    } catch (const InputError& e) {
      return e.what();
    }
    return "accepted";
  };
  EXPECT_EQ(twice(R"({"model_type": "llama", "rms_norm_eps": 1e-5, "rms_norm_eps": 1e-6})", "{}"),
            "config.json has the key \"rms_norm_eps\" twice");
  EXPECT_EQ(twice(R"({"model_type": "llama", "rope_scaling": {"type": "linear", "factor": 2, "factor": 2}})", "{}"),
            "config.json has the key \"factor\" twice");
  EXPECT_EQ(twice(R"({"model_type": "llama"})", R"({"eos_token_id": 1, "eos_token_id": 2})"),
            "generation_config.json has the key \"eos_token_id\" twice");
}

TEST(ConfigKeys, QuantisedWeightsAreNamed) {
  EXPECT_THAT(refusal("llama", {{"quantization_config", {{"quant_method", "awq"}, {"bits", 4}}}}),
              testing::HasSubstr("quantization_config (\"awq\") is not supported"));
  EXPECT_THAT(refusal("qwen3", {{"quantization", {{"bits", 4}}}}), testing::HasSubstr("quantization is not supported"));
}

TEST(ConfigKeys, AWholeNumberMayBeWrittenAsAFloat) {
  const Described c =
      read("qwen2", {{"hidden_size", 4096.0},
                     {"rope_scaling", {{"type", "yarn"}, {"factor", 4}, {"original_max_position_embeddings", 32768.0}}}});
  EXPECT_EQ(c.info.hidden_size, 4096);
  EXPECT_EQ(c.rope.original_max_position_embeddings, 32768);
  EXPECT_THAT(refusal("llama", {{"hidden_size", 40.5}}), testing::HasSubstr("hidden_size must be an integer, not 40.5"));
}

TEST(ConfigKeys, AnOldContextLengthStandsIn) {
  EXPECT_EQ(read("llama", {{"max_sequence_length", 1024}}).info.max_position_embeddings, 1024);
  EXPECT_EQ(read("llama", {{"max_sequence_length", 1024}, {"max_position_embeddings", 4096}}).info.max_position_embeddings, 4096);
}

TEST(ConfigKeys, TheNumberOfExpertsHasTwoNames) {
  EXPECT_EQ(read("mixtral", {{"num_experts", 4}}).info.n_experts, 4);
  EXPECT_EQ(read("qwen3_moe", {{"num_local_experts", 16}}).info.n_experts, 16);
  EXPECT_THAT(refusal("qwen3_moe", {{"num_local_experts", 16}, {"num_experts", 8}}), testing::HasSubstr("contradicts"));
}

TEST(ConfigKeys, DualChunksAreExactWithinTheFirst) {
  const json chunks = {{"chunk_size", 262144}, {"local_size", 8192}, {"original_max_position_embeddings", 262144}};
  EXPECT_EQ(
      read("qwen2", {{"max_position_embeddings", 1010000}, {"dual_chunk_attention_config", chunks}}).info.max_position_embeddings,
      253952);
  EXPECT_EQ(
      read("qwen2", {{"max_position_embeddings", 1000}, {"dual_chunk_attention_config", chunks}}).info.max_position_embeddings,
      1000);
  EXPECT_THAT(refusal("qwen2", {{"dual_chunk_attention_config", true}}), testing::HasSubstr("has no chunk_size"));
}

TEST(ConfigRope, AttnFactorMultipliesYarnsOwn) {
  json rope = {{"rope_type", "yarn"},
               {"factor", 4.0},
               {"original_max_position_embeddings", 32768},
               {"attn_factor", 0.8782488562869419}};
  EXPECT_DOUBLE_EQ(read("qwen3", {{"rope_scaling", rope}}).rope.attention_factor.value(), 1);
  rope["attention_factor"] = 1.25;
  EXPECT_THAT(refusal("qwen3", {{"rope_scaling", rope}}), testing::HasSubstr("unknown key attn_factor"));
  EXPECT_THAT(refusal("qwen3", {{"rope_scaling", {{"type", "linear"}, {"factor", 2}, {"attn_factor", 1.5}}}}),
              testing::HasSubstr("unknown key attn_factor"));
}

TEST(ConfigRope, OldAndNewSpellings) {
  const json yarn = {{"type", "yarn"}, {"factor", 16}, {"original_max_position_embeddings", 4096}, {"finetuned", true}};
  const Described c =
      read("llama", {{"rope_scaling", yarn}, {"rope_parameters", {{"rope_theta", 7.0}}}, {"rope_theta", 5e5}});
  EXPECT_EQ(c.rope.type, RopeForm::Type::yarn);  // rope_scaling replaces rope_parameters
  EXPECT_EQ(c.rope.rope_theta, 5e5);
  EXPECT_EQ(read("llama", {{"rope_scaling", json::object()}, {"rope_parameters", {{"rope_theta", 77.0}}}}).rope.rope_theta,
            77);
  EXPECT_EQ(read("llama", {{"rope_parameters", {{"rope_theta", 77.0}}}, {"rope_theta", 99.0}}).rope.rope_theta, 77);
  EXPECT_EQ(
      read("llama", {{"rope_scaling", {{"type", "linear"}, {"factor", 4.0}, {"original_max_position_embeddings", 4096}}}})
          .rope.type,
      RopeForm::Type::linear);
  for (const char* type : {"dynamic", "longrope", "su", "mrope", "ntk"})
    EXPECT_THAT(refusal("llama", {{"rope_scaling", {{"type", type}, {"factor", 2.0}}}}),
                testing::HasSubstr(cat("rope_type \"", type, "\" is not supported")));
  EXPECT_THAT(refusal("qwen2", {{"rope_scaling", {{"type", "default"}, {"mrope_section", {1, 2}}}}}),
              testing::HasSubstr("unknown key mrope_section"));
  EXPECT_THAT(refusal("llama", {{"partial_rotary_factor", 0.5}}), testing::HasSubstr("partial_rotary_factor"));
}

}  // namespace
}  // namespace weft
