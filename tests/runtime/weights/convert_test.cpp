// convert: what the GGUF says must mean the same model; types and layout as llama.cpp expects them.
#include "runtime/weights/convert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "kernels/quant/quant.h"
#include "runtime/weights/gguf.h"
#include "runtime/weights/gguf_config.h"
#include "runtime/weights/hf_config.h"
#include "tests/runtime/weights/tiny_model.h"

namespace weft {
namespace {

using namespace test;
using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

class Convert : public testing::Test {
 protected:
  std::unique_ptr<Checkpoint> to_gguf(DType type, const std::string& model = "") {
    notices_ = convert(model.empty() ? directory_.path() : model, type, directory_ / "out.gguf");
    return Checkpoint::open(directory_ / "out.gguf");
  }
  std::string refused() {
    return refusal([&] { to_gguf(DType::f32); });
  }
  TempDirectory directory_;
  std::vector<std::string> notices_;
};

TEST_F(Convert, PermutesTheRowsOfQAndKOfLlamaOnly) {
  const auto values = write_tiny_model(directory_, tiny_config("llama"));
  const auto llama = to_gguf(DType::f32);
  for (const auto& [hf, gguf, heads] : {std::tuple("q_proj", "attn_q", kHeads), {"k_proj", "attn_k", kKvHeads}}) {
    const auto& before = values.at(cat("model.layers.1.self_attn.", hf, ".weight"));
    const auto after = read_f32(*llama, cat("blk.1.", gguf, ".weight"));
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t i = 0; i < kHeadDim / 2; ++i)
        for (int64_t j = 0; j < 2; ++j)
          for (int64_t c = 0; c < kHidden; ++c)
            ASSERT_EQ(after[static_cast<size_t>((h * kHeadDim + 2 * i + j) * kHidden + c)],
                      before[static_cast<size_t>((h * kHeadDim + i + j * kHeadDim / 2) * kHidden + c)]);
  }
  EXPECT_EQ(read_f32(*llama, "blk.1.attn_v.weight"), values.at("model.layers.1.self_attn.v_proj.weight"));
  EXPECT_EQ(read_f32(*llama, "token_embd.weight"), values.at("model.embed_tokens.weight"));

  directory_.write("config.json", tiny_config("qwen3").dump());
  const auto qwen = to_gguf(DType::f32);
  EXPECT_EQ(read_f32(*qwen, "blk.1.attn_q.weight"), values.at("model.layers.1.self_attn.q_proj.weight"));
}

TEST_F(Convert, KeepsTheConfiguration) {
  json config = tiny_config("mistral");
  config["sliding_window"] = 33;
  config["rope_parameters"] = {
      {"rope_type", "yarn"},      {"rope_theta", 777.0}, {"factor", 4.0}, {"original_max_position_embeddings", 64},
      {"attention_factor", 1.25}, {"beta_fast", 16.0}};
  write_tiny_model(directory_, config);
  const json back = json::parse(to_gguf(DType::f32)->config_json());
  EXPECT_TRUE(notices_.empty());
  for (const char* key : {"model_type", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
                          "num_key_value_heads", "head_dim", "rms_norm_eps", "max_position_embeddings", "vocab_size",
                          "tie_word_embeddings", "sliding_window", "bos_token_id", "eos_token_id"})
    EXPECT_EQ(back[key], config[key]) << key;
  const json rope = resolve_config(back.dump())["rope_parameters"];
  EXPECT_EQ(rope["rope_theta"], 777.0);
  EXPECT_EQ(rope["rope_type"], "yarn");
  EXPECT_EQ(rope["original_max_position_embeddings"], 64);
  EXPECT_EQ(rope["beta_fast"], 16.0);
  EXPECT_NEAR(rope["attention_factor"].get<double>(), 1.25, 1e-6);
}

TEST_F(Convert, WritesLlama3ScalingAsDivisors) {
  json config = tiny_config("llama");
  config["rope_scaling"] = {{"rope_type", "llama3"},
                            {"factor", 8.0},
                            {"low_freq_factor", 1.0},
                            {"high_freq_factor", 4.0},
                            {"original_max_position_embeddings", 8192}};
  config["rope_theta"] = 500000.0;
  write_tiny_model(directory_, config);
  const auto divisors = read_f32(*to_gguf(DType::q8_0), "rope_freqs.weight");
  ASSERT_EQ(divisors.size(), static_cast<size_t>(kHeadDim / 2));
  EXPECT_EQ(divisors.front(), 1);  // short wavelengths stay
  EXPECT_EQ(divisors.back(), 8);   // long ones are stretched
  const auto rope = recognise_llama3_rope(divisors, 500000.0);
  ASSERT_TRUE(rope);
  EXPECT_EQ(rope->factor, 8);
  EXPECT_FALSE(recognise_llama3_rope(divisors, 10000.0));
}

TEST_F(Convert, KeepsTheTokenizer) {
  write_tiny_model(directory_, tiny_config("llama"));
  to_gguf(DType::f32);
  const GgufFile file(directory_ / "out.gguf");
  EXPECT_EQ(file.get_string("tokenizer.ggml.model"), "gpt2");
  EXPECT_EQ(file.get_string("tokenizer.ggml.pre"), "smollm");
  EXPECT_THAT(file.get_string_array("tokenizer.ggml.tokens"),
              ElementsAre("a", "b", "Ġ", "ab", "Ġab", "[PAD5]", "<s>", "</s>", "<tool>"));
  EXPECT_THAT(file.get_int_array("tokenizer.ggml.token_type"), ElementsAre(1, 1, 1, 1, 1, 5, 3, 3, 4));
  EXPECT_THAT(file.get_string_array("tokenizer.ggml.merges"), ElementsAre("a b", "Ġ ab"));
  EXPECT_EQ(file.get_int("tokenizer.ggml.bos_token_id"), 6);
  EXPECT_EQ(file.get_int("tokenizer.ggml.eos_token_id"), 7);
  EXPECT_EQ(file.get_int("tokenizer.ggml.eot_token_id"), 8);
  EXPECT_EQ(file.get_bool("tokenizer.ggml.add_bos_token"), true);
  EXPECT_EQ(file.get_bool("tokenizer.ggml.add_eos_token"), false);
  EXPECT_EQ(file.get_string("tokenizer.chat_template"), "{{ messages }}");
}

TEST_F(Convert, ChoosesTypesAsLlamaCppDoes) {
  const auto values = write_tiny_model(directory_, tiny_config("llama"), 0, false);
  const auto q4 = to_gguf(DType::q4_0);
  EXPECT_EQ(q4->info("blk.0.attn_norm.weight").dtype, DType::f32);
  EXPECT_EQ(q4->info("blk.0.ffn_up.weight").dtype, DType::q4_0);
  EXPECT_EQ(q4->info("token_embd.weight").dtype, DType::q8_0);  // tied, so q6_K, which 64 columns do not hold
  EXPECT_THAT(notices_,
              ElementsAre(HasSubstr("no tokenizer.json"), HasSubstr("1 tensor has rows that are not whole blocks of q6_K")));
  const auto& source = values.at("model.layers.0.mlp.up_proj.weight");
  std::vector<std::byte> expected(static_cast<size_t>(dtype_bytes(DType::q4_0, kFeedForward * kHidden)));
  quant::quantize(DType::q4_0, source.data(), expected.data(), kFeedForward * kHidden);
  EXPECT_EQ(q4->read("blk.0.ffn_up.weight"), expected);
  EXPECT_EQ(to_gguf(DType::q5_K)->info("blk.0.ffn_up.weight").dtype, DType::q8_0);
  EXPECT_THAT(refusal([&] { to_gguf(DType::i32); }), HasSubstr("cannot be stored as i32"));
}

TEST_F(Convert, RefusesWhatIsNotFiniteOrTooLarge) {
  const std::string name = "model.layers.1.mlp.up_proj.weight", where = "tensor " + name + " holds ";
  // The model with one value changed, at [3, 5] of that matrix.
  const auto with = [&](float value) {
    auto values = write_tiny_model(directory_, tiny_config("llama"), 0, false);
    values[name][3 * kHidden + 5] = value;
    const auto tensors = tiny_tensors(0);
    SafetensorsWriter writer(directory_ / "model.safetensors", tensors);
    for (const auto& [tensor, info] : tensors)
      writer.write(tensor, values[tensor].data(), values[tensor].size() * sizeof(float));
    writer.finish();
  };
  const auto to = [&](DType type, Values values = Values::finite) {
    return convert(directory_.path(), type, directory_ / "out.gguf", values);
  };
  for (const float value : {std::nanf(""), HUGE_VALF, -HUGE_VALF}) {
    with(value);
    for (const DType type : {DType::f32, DType::bf16, DType::q8_0})
      EXPECT_THAT(refusal([&] { to(type); }),
                  testing::AllOf(HasSubstr(cat(where, value, " at [3, 5]")), HasSubstr("--allow-nonfinite")));
    EXPECT_NO_THROW(to(DType::f16, Values::any));
    std::filesystem::remove(directory_ / "out.gguf");
  }
  with(-70000);
  EXPECT_THAT(refusal([&] { to(DType::f16); }), HasSubstr(where + "-70000 at [3, 5], beyond the range of f16"));
  EXPECT_NO_THROW(to(DType::bf16));
  EXPECT_NO_THROW(to(DType::q8_0));  // its scale is 551
  std::filesystem::remove(directory_ / "out.gguf");
  with(1e7);
  EXPECT_THAT(refusal([&] { to(DType::q8_0); }), HasSubstr("beyond the range of q8_0"));
  with(3.4e38f);
  EXPECT_THAT(refusal([&] { to(DType::bf16); }), HasSubstr("beyond the range of bf16"));
  for (const auto& file : std::filesystem::directory_iterator(directory_.path()))
    EXPECT_THAT(file.path().filename().string(), testing::AnyOf("config.json", "model.safetensors")) << "left behind";
}

TEST_F(Convert, RequantisesAGguf) {
  write_tiny_model(directory_, tiny_config("llama"));
  to_gguf(DType::bf16);
  std::filesystem::rename(directory_ / "out.gguf", directory_ / "bf16.gguf");
  const auto direct = to_gguf(DType::bf16);
  const auto copied = to_gguf(DType::bf16, directory_ / "bf16.gguf");
  for (const auto& [name, info] : direct->tensors()) {
    EXPECT_EQ(copied->info(name).dtype, info.dtype) << name;
    EXPECT_EQ(copied->read(name), direct->read(name)) << name;
  }
  EXPECT_EQ(copied->config_json(), direct->config_json());
  EXPECT_EQ(to_gguf(DType::q8_0, directory_ / "bf16.gguf")->info("blk.0.attn_q.weight").dtype, DType::q8_0);
  EXPECT_EQ(GgufFile(directory_ / "out.gguf").get_int("general.file_type"), 7);
  EXPECT_THAT(refusal([&] { convert(directory_ / "bf16.gguf", DType::f16, directory_ / "bf16.gguf"); }),
              HasSubstr("is the model itself"));
}

TEST_F(Convert, StacksExperts) {
  json config = tiny_config("mixtral");
  config["num_local_experts"] = 3;
  config["num_experts_per_tok"] = 2;
  const auto values = write_tiny_model(directory_, config, 3);
  const auto gguf = to_gguf(DType::f32);
  EXPECT_EQ(gguf->info("blk.1.ffn_down_exps.weight").shape, (std::vector<int64_t>{3, kHidden, kFeedForward}));
  for (const auto& [w, name] : {std::pair("w1", "ffn_gate_exps"), {"w2", "ffn_down_exps"}, {"w3", "ffn_up_exps"}}) {
    const auto stacked = read_f32(*gguf, cat("blk.1.", name, ".weight"));
    for (size_t e = 0; e < 3; ++e) {
      const auto& expert = values.at(cat("model.layers.1.block_sparse_moe.experts.", e, ".", w, ".weight"));
      EXPECT_TRUE(std::equal(expert.begin(), expert.end(), stacked.begin() + static_cast<int64_t>(e * expert.size())))
          << w << e;
    }
  }
  EXPECT_EQ(json::parse(gguf->config_json())["num_local_experts"], 3);
  EXPECT_EQ(to_gguf(DType::q8_0)->info("blk.0.ffn_gate_inp.weight").dtype, DType::f32);
  config["num_local_experts"] = 2;
  directory_.write("config.json", config.dump());
  EXPECT_THAT(refused(), HasSubstr("18 expert tensors; config.json describes 12"));
}

TEST_F(Convert, RefusesExpertsThatAreOneTensor) {
  json config = tiny_config("mixtral");
  config["num_local_experts"] = 3;
  config["num_experts_per_tok"] = 2;
  directory_.write("config.json", config.dump());
  const std::string name = "model.layers.0.mlp.experts.gate_up_proj";
  const std::vector<float> values(3 * 2 * kFeedForward * kHidden);
  SafetensorsWriter writer(directory_ / "model.safetensors", {{name, {DType::f32, {3, 2 * kFeedForward, kHidden}}}});
  writer.write(name, values.data(), values.size() * sizeof(float));
  writer.finish();
  EXPECT_THAT(refused(), HasSubstr("\"" + name + "\" holds all experts of a layer, which weft convert does not take apart"));
}

TEST_F(Convert, RefusesQwen3MoeThatGgufCannotSay) {
  json config = tiny_config("qwen3_moe");
  config.update(
      {{"num_experts", 3}, {"num_experts_per_tok", 2}, {"moe_intermediate_size", kFeedForward}, {"norm_topk_prob", true}});
  write_tiny_model(directory_, config);
  const auto with = [&](const char* key, const json& value) {
    json changed = config;
    changed[key] = value;
    directory_.write("config.json", changed.dump());
    return refused();
  };
  EXPECT_THAT(with("norm_topk_prob", false),
              HasSubstr("norm_topk_prob false cannot be converted: in a GGUF of architecture qwen3moe"));
  for (const auto& [key, value] : {std::pair<const char*, json>("decoder_sparse_step", 2), {"mlp_only_layers", {0}}})
    EXPECT_THAT(with(key, value), HasSubstr("(decoder_sparse_step, mlp_only_layers) cannot be converted: in a GGUF"));
}

TEST_F(Convert, RefusesWhatGgufCannotSay) {
  write_tiny_model(directory_, tiny_config("llama"));
  const auto with = [&](const char* key, const json& value) {
    json config = tiny_config("llama");
    config[key] = value;
    directory_.write("config.json", config.dump());
    return refused();
  };
  EXPECT_THAT(with("model_type", "mamba"), HasSubstr("model_type \"mamba\"; known are"));
  EXPECT_THAT(with("hidden_act", "gelu"), HasSubstr("silu"));
  EXPECT_THAT(with("rope_scaling", {{"type", "dynamic"}, {"factor", 2}}), HasSubstr("\"dynamic\""));
  EXPECT_THAT(with("head_dim", 15), HasSubstr("head_dim 15"));
  EXPECT_THAT(with("num_attention_heads", 0), HasSubstr("is 0"));
  EXPECT_THAT(with("hidden_size", "big"), HasSubstr("hidden_size"));
  EXPECT_THAT(with("tie_word_embeddings", 1), HasSubstr("true or false"));
  directory_.write("config.json", tiny_config("llama").dump());
  json tokenizer = tiny_tokenizer();
  tokenizer["pre_tokenizer"] = {{"type", "Metaspace"}, {"replacement", "_"}};
  directory_.write("tokenizer.json", tokenizer.dump());
  EXPECT_THAT(refused(), HasSubstr("none of byte-level BPE"));
  tokenizer = tiny_tokenizer();
  tokenizer["model"]["vocab"]["zz"] = 9;
  directory_.write("tokenizer.json", tokenizer.dump());
  EXPECT_THAT(refused(), HasSubstr("\"zz\" has id \"9\"; the model has 9 tokens"));
  tokenizer = tiny_tokenizer();
  tokenizer["model"]["merges"] = {"a b c"};
  directory_.write("tokenizer.json", tokenizer.dump());
  EXPECT_THAT(refused(), HasSubstr("merge 'a b c'"));
  EXPECT_FALSE(std::filesystem::exists(directory_ / "out.gguf"));
}

}  // namespace
}  // namespace weft
