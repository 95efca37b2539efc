// upcycle: experts are copies, everything else is the dense model's, from a directory and from a GGUF alike.
#include "runtime/weights/upcycle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "kernels/quant/quant.h"
#include "runtime/weights/convert.h"
#include "tests/runtime/weights/tiny_model.h"

namespace weft {
namespace {

using namespace test;
using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

class Upcycle : public testing::Test {
 protected:
  std::unique_ptr<Checkpoint> run(const std::string& model, UpcycleOptions options = {3, 2, 1}) {
    const std::string output = directory_ / cat("out", ++runs_);
    notices_ = upcycle(model, options, output);
    return Checkpoint::open(output);
  }
  std::string refused(const std::string& model, UpcycleOptions options = {3, 2, 1}) {
    return refusal([&] { run(model, options); });
  }
  void write_weights(const std::vector<std::pair<std::string, TensorInfo>>& tensors,
                     const std::map<std::string, std::vector<float>>& values) {
    SafetensorsWriter writer(directory_ / "model.safetensors", tensors);
    for (const auto& [name, info] : tensors)
      writer.write(name, values.at(name).data(), values.at(name).size() * sizeof(float));
    writer.finish();
  }
  TempDirectory directory_;
  int runs_ = 0;
  std::vector<std::string> notices_;
};

void expect_copies(Checkpoint& moe, const std::map<std::string, std::vector<float>>& dense, int64_t experts) {
  size_t expected = 0;
  for (const auto& [name, values] : dense) {
    if (name.find(".mlp.") == name.npos) {
      EXPECT_EQ(read_f32(moe, name), values) << name;
      ++expected;
    }
  }
  for (int64_t layer = 0; layer < kLayers; ++layer)
    for (int64_t e = 0; e < experts; ++e)
      for (const auto& [w, mlp] : {std::pair("w1", "gate_proj"), {"w2", "down_proj"}, {"w3", "up_proj"}}) {
        EXPECT_EQ(read_f32(moe, cat("model.layers.", layer, ".block_sparse_moe.experts.", e, ".", w, ".weight")),
                  dense.at(cat("model.layers.", layer, ".mlp.", mlp, ".weight")));
        ++expected;
      }
  EXPECT_EQ(moe.tensors().size(), expected + static_cast<size_t>(kLayers));  // and a router each
}

TEST_F(Upcycle, CopiesADirectory) {
  json config = tiny_config("llama");
  config["attention_bias"] = false;
  config["rope_interleaved"] = false;
  const auto dense = write_tiny_model(directory_, config);
  const auto moe = run(directory_.path());
  expect_copies(*moe, dense, 3);
  const json mixtral = json::parse(moe->config_json());
  EXPECT_EQ(mixtral["model_type"], "mixtral");
  EXPECT_EQ(mixtral["architectures"], json({"MixtralForCausalLM"}));
  EXPECT_EQ(mixtral["num_local_experts"], 3);
  EXPECT_EQ(mixtral["num_experts_per_tok"], 2);
  EXPECT_EQ(mixtral["eos_token_id"], config["eos_token_id"]);
  EXPECT_FALSE(mixtral.contains("attention_bias"));
  EXPECT_FALSE(mixtral.contains("rope_interleaved"));
  EXPECT_EQ(read_file(moe->path() + "/tokenizer.json"), read_file(directory_ / "tokenizer.json"));
  EXPECT_TRUE(notices_.empty());
}

TEST_F(Upcycle, CarriesTheDenseClasssDefaults) {
  json config = tiny_config("llama");
  for (const char* key : {"rope_theta", "rms_norm_eps", "num_key_value_heads"}) config.erase(key);
  config["num_attention_heads"] = kHeads;
  write_tiny_model(directory_, config);
  const json mixtral = json::parse(run(directory_.path())->config_json());
  EXPECT_EQ(mixtral["rope_theta"], 1e4);     // Mixtral's own would be 1e6,
  EXPECT_EQ(mixtral["rms_norm_eps"], 1e-6);  // 1e-5
  EXPECT_EQ(mixtral["num_key_value_heads"], kHeads);
  EXPECT_TRUE(mixtral["sliding_window"].is_null());
  config["model_type"] = "mistral";
  directory_.write("config.json", config.dump());
  EXPECT_EQ(json::parse(run(directory_.path())->config_json())["sliding_window"], 4096);
}

TEST_F(Upcycle, KeepsAHeadThatIsNotTheEmbedding) {
  auto tensors = tiny_tensors(0);
  tensors.push_back({"lm_head.weight", {DType::f32, {kVocab, kHidden}}});
  auto values = write_tiny_model(directory_, tiny_config("llama"));
  values["lm_head.weight"] = values["model.embed_tokens.weight"];
  for (const bool differs : {false, true}) {
    if (differs) values["lm_head.weight"].back() += 1;
    write_weights(tensors, values);
    const auto moe = run(directory_.path());
    EXPECT_EQ(moe->has("lm_head.weight"), differs);
    EXPECT_EQ(json::parse(moe->config_json())["tie_word_embeddings"], !differs);
    EXPECT_EQ(notices_.size(), differs ? 1u : 0u);
  }
}

TEST_F(Upcycle, RouterDependsOnTheSeedOnly) {
  write_tiny_model(directory_, tiny_config("llama"));
  const char* const router = "model.layers.1.block_sparse_moe.gate.weight";
  const auto first = read_f32(*run(directory_.path(), {3, 2, 1}), router),
             again = read_f32(*run(directory_.path(), {3, 1, 1}), router),
             other = read_f32(*run(directory_.path(), {3, 2, 2}), router);
  EXPECT_EQ(first, again);
  EXPECT_NE(first, other);
  double sum = 0, squares = 0;
  for (const float w : first) sum += w, squares += w * w;
  EXPECT_NEAR(squares / static_cast<double>(first.size()), 1.0 / kHidden, 0.3 / kHidden);
  EXPECT_NEAR(sum / static_cast<double>(first.size()), 0, 4 / std::sqrt(static_cast<double>(kHidden * first.size())));
}

TEST_F(Upcycle, UndoesTheRowOrderOfAGguf) {
  json config = tiny_config("llama");
  config["rope_theta"] = 500000.0;
  config["rope_scaling"] = {{"rope_type", "llama3"},
                            {"factor", 8.0},
                            {"low_freq_factor", 1.0},
                            {"high_freq_factor", 4.0},
                            {"original_max_position_embeddings", 8192}};
  const auto dense = write_tiny_model(directory_, config);
  convert(directory_.path(), DType::f32, directory_ / "m.gguf");
  const auto moe = run(directory_ / "m.gguf");
  expect_copies(*moe, dense, 3);
  const json mixtral = json::parse(moe->config_json());
  EXPECT_EQ(mixtral["rope_scaling"], config["rope_scaling"]);
  EXPECT_EQ(json::parse(moe->generation_config_json())["eos_token_id"], json({7, 8}));
  const json tokenizer = json::parse(read_file(moe->path() + "/tokenizer.json"));
  EXPECT_EQ(tokenizer["model"]["vocab"]["Ġab"], 4);
  EXPECT_EQ(tokenizer["model"]["vocab"].size(), static_cast<size_t>(kVocab));
  EXPECT_EQ(tokenizer["model"]["merges"], json({"a b", "Ġ ab"}));
  EXPECT_EQ(tokenizer["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"], "\\p{N}");
  EXPECT_EQ(tokenizer["added_tokens"][0]["content"], "<s>");
  EXPECT_EQ(tokenizer["added_tokens"][2]["special"], true);  // it ends a text
  EXPECT_EQ(tokenizer["post_processor"]["single"][0]["SpecialToken"]["id"], "<s>");
  EXPECT_EQ(tokenizer["post_processor"]["special_tokens"]["<s>"]["ids"], json::array({6}));
  EXPECT_EQ(json::parse(read_file(moe->path() + "/tokenizer_config.json"))["chat_template"], "{{ messages }}");
}

TEST_F(Upcycle, DequantisesToTheExactValues) {
  auto dense = write_tiny_model(directory_, tiny_config("llama"));
  convert(directory_.path(), DType::q4_1, directory_ / "m.gguf");
  for (auto& [name, values] : dense) {
    if (values.size() == static_cast<size_t>(kHidden)) continue;  // norms stay f32
    const DType type = name == "model.embed_tokens.weight" ? DType::q8_0 : DType::q4_1;
    std::vector<std::byte> packed(static_cast<size_t>(dtype_bytes(type, static_cast<int64_t>(values.size()))));
    quant::quantize(type, values.data(), packed.data(), static_cast<int64_t>(values.size()));
    quant::dequantize(type, packed.data(), values.data(), static_cast<int64_t>(values.size()));
  }
  expect_copies(*run(directory_ / "m.gguf"), dense, 3);
}

TEST_F(Upcycle, KeepsPlainTypes) {
  write_tiny_model(directory_, tiny_config("llama"), 0, false);
  convert(directory_.path(), DType::bf16, directory_ / "m.gguf");
  const auto moe = run(directory_ / "m.gguf", {1, 1, 0});
  EXPECT_EQ(moe->info("model.layers.0.block_sparse_moe.experts.0.w2.weight").dtype, DType::bf16);
  EXPECT_EQ(moe->info("model.layers.0.block_sparse_moe.gate.weight").dtype, DType::bf16);
  EXPECT_EQ(moe->info("model.norm.weight").dtype, DType::f32);
  EXPECT_EQ(json::parse(moe->config_json())["torch_dtype"], "bfloat16");
  EXPECT_THAT(notices_, ElementsAre(HasSubstr("no byte-level BPE tokenizer")));
}

TEST_F(Upcycle, WritesTheTypeAskedFor) {
  const auto dense = write_tiny_model(directory_, tiny_config("llama"));
  convert(directory_.path(), DType::q8_0, directory_ / "m.gguf");
  for (const std::string& model : {directory_.path(), directory_ / "m.gguf"}) {
    const auto moe = run(model, {2, 1, 0, DType::f16});
    for (const auto& [name, info] : moe->tensors()) EXPECT_EQ(info.dtype, DType::f16) << name;
    EXPECT_EQ(json::parse(moe->config_json())["torch_dtype"], "float16");
  }
  std::vector<std::byte> rounded(kHidden * sizeof(uint16_t));
  quant::quantize(DType::f16, dense.at("model.norm.weight").data(), rounded.data(), kHidden);
  const auto moe = run(directory_.path(), {2, 1, 0, DType::f16});
  EXPECT_EQ(moe->read("model.norm.weight"), rounded);
}

TEST_F(Upcycle, RefusesValuesBeyondTheTypeAndLeavesNothing) {
  auto dense = write_tiny_model(directory_, tiny_config("llama"));
  dense.at("model.norm.weight")[3] = 1e6;
  write_weights(tiny_tensors(0), dense);
  const std::string sentence = refused(directory_.path(), {2, 1, 0, DType::f16});
  EXPECT_THAT(sentence, HasSubstr("model.norm.weight holds 1e+06 at [3], beyond the range of f16; --allow-nonfinite"));
  EXPECT_TRUE(std::filesystem::is_empty(directory_ / "out1"));
  run(directory_.path(), {2, 1, 0, DType::f16, Values::any});
  run(directory_.path(), {2, 1, 0, DType::bf16});
}

TEST_F(Upcycle, RefusesWhatMixtralCannotHold) {
  write_tiny_model(directory_, tiny_config("llama"));
  const std::string model = directory_.path();
  EXPECT_THAT(refused(model, {0, 1, 0}), HasSubstr("experts is 0"));
  EXPECT_THAT(refused(model, {-1, 1, 0}), HasSubstr("experts is -1"));
  EXPECT_THAT(refused(model, {4, 5, 0}), HasSubstr("top-k is 5"));
  EXPECT_THAT(refused(model, {4, 0, 0}), HasSubstr("top-k is 0"));
  EXPECT_THAT(refusal([&] { upcycle(model, {2, 1, 0}, model); }), HasSubstr("not an empty directory"));
  EXPECT_THAT(refusal([&] { upcycle(model, {2, 1, 0}, directory_ / "config.json"); }), HasSubstr("config.json"));
  EXPECT_THAT(refused(directory_ / "missing"), HasSubstr("does not exist"));
  for (const char* type : {"qwen2", "mixtral", "gpt2"}) {
    directory_.write("config.json", tiny_config(type).dump());
    EXPECT_THAT(refused(model), HasSubstr("cannot be upcycled"));
  }
  json config = tiny_config("llama");
  config["num_hidden_layers"] = kLayers + 1;
  directory_.write("config.json", config.dump());
  EXPECT_THAT(refused(model), HasSubstr("MLP matrices"));
}

}  // namespace
}  // namespace weft
