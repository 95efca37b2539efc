// Names of the two formats, there and back.
#include "runtime/weights/gguf_names.h"

#include <gtest/gtest.h>

namespace weft {
namespace {

using Rows = GgufName::Rows;

std::string there(const char* model_type, const char* name) {
  const auto found = GgufNames(model_type).to_gguf(name);
  return found ? found->name : "none";
}
std::string here(const char* model_type, const char* name) {
  const auto found = GgufNames(model_type).to_hugging_face(name);
  return found ? found->name : "none";
}

TEST(GgufNames, GoThereAndBack) {
  for (const auto& [hugging_face, gguf] : {std::pair("model.embed_tokens.weight", "token_embd.weight"),
                                           {"lm_head.weight", "output.weight"},
                                           {"model.layers.13.self_attn.q_proj.bias", "blk.13.attn_q.bias"},
                                           {"model.layers.0.mlp.down_proj.weight", "blk.0.ffn_down.weight"}}) {
    EXPECT_EQ(there("llama", hugging_face), gguf);
    EXPECT_EQ(here("qwen2", gguf), hugging_face);
  }
  for (const char* name : {"model.layers.0.mlp.down_proj", "model.layers.x.mlp.down_proj.weight", "model.layers.0.mlp.down_proj.weights",
                           "model.layers..mlp.down_proj.weight", "model.layers.0.mlp.gate.weight"})
    EXPECT_EQ(there("llama", name), "none");
  EXPECT_EQ(here("llama", "rope_freqs.weight"), "none");
  EXPECT_STREQ(GgufNames("qwen3_moe").architecture(), "qwen3moe");
  EXPECT_EQ(GgufNames("gpt2").architecture(), nullptr);
}

TEST(GgufNames, ExpertsAreOneTensorOrOneEach) {
  const auto stacked = GgufNames("mixtral").to_gguf("model.layers.2.block_sparse_moe.experts.11.w1.weight");
  ASSERT_TRUE(stacked);
  EXPECT_EQ(stacked->name, "blk.2.ffn_gate_exps.weight");
  EXPECT_EQ(stacked->expert, 11);
  EXPECT_EQ(here("mixtral", "blk.2.ffn_gate_exps.weight"), "model.layers.2.block_sparse_moe.experts.{e}.w1.weight");
  EXPECT_EQ(here("mixtral", "blk.2.ffn_gate.11.weight"), "model.layers.2.block_sparse_moe.experts.11.w1.weight");
  EXPECT_EQ(here("qwen3_moe", "blk.2.ffn_down_exps.weight"), "model.layers.2.mlp.experts.{e}.down_proj.weight");
  EXPECT_EQ(here("llama", "blk.2.ffn_down_exps.weight"), "none");
}

TEST(GgufNames, OnlyLlamasArchitectureTurnsRows) {
  const auto rows = [](const char* model_type, const char* name) { return GgufNames(model_type).to_gguf(name)->rows; };
  for (const char* model_type : {"llama", "mistral", "mixtral"}) {
    EXPECT_EQ(rows(model_type, "model.layers.0.self_attn.k_proj.weight"), Rows::rope_pairs);
    EXPECT_EQ(rows(model_type, "model.layers.0.self_attn.v_proj.weight"), Rows::same);
  }
  for (const char* model_type : {"qwen2", "qwen3", "qwen3_moe"})
    EXPECT_EQ(rows(model_type, "model.layers.0.self_attn.q_proj.weight"), Rows::same);
}

}  // namespace
}  // namespace weft
