#pragma once
// A tiny Hugging Face directory of the Llama family with a byte-level BPE tokenizer, for convert and upcycle.
#include <cmath>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>

#include "runtime/weights/safetensors.h"
#include "tests/runtime/weights/model_files.h"

namespace weft::test {

constexpr int64_t kHidden = 64, kFeedForward = 96, kHeads = 4, kKvHeads = 2, kHeadDim = 16, kLayers = 2, kVocab = 9;

inline nlohmann::json tiny_config(const std::string& model_type) {
  return {{"model_type", model_type},
          {"hidden_size", kHidden},
          {"intermediate_size", kFeedForward},
          {"num_hidden_layers", kLayers},
          {"num_attention_heads", kHeads},
          {"num_key_value_heads", kKvHeads},
          {"head_dim", kHeadDim},
          {"rms_norm_eps", 1e-5},
          {"max_position_embeddings", 256},
          {"vocab_size", kVocab},
          {"hidden_act", "silu"},
          {"rope_theta", 5000.0},
          {"tie_word_embeddings", true},
          {"bos_token_id", 6},
          {"eos_token_id", {7, 8}}};
}

inline std::vector<std::pair<std::string, TensorInfo>> tiny_tensors(int64_t experts) {
  std::vector<std::pair<std::string, TensorInfo>> list;
  const auto matrix = [&](const std::string& name, int64_t rows, int64_t cols) {
    list.push_back({name + ".weight", {DType::f32, {rows, cols}}});
  };
  const auto vector = [&](const std::string& name) { list.push_back({name + ".weight", {DType::f32, {kHidden}}}); };
  matrix("model.embed_tokens", kVocab, kHidden);
  vector("model.norm");
  for (int64_t layer = 0; layer < kLayers; ++layer) {
    const std::string prefix = cat("model.layers.", layer, ".");
    vector(prefix + "input_layernorm");
    vector(prefix + "post_attention_layernorm");
    matrix(prefix + "self_attn.q_proj", kHeads * kHeadDim, kHidden);
    matrix(prefix + "self_attn.k_proj", kKvHeads * kHeadDim, kHidden);
    matrix(prefix + "self_attn.v_proj", kKvHeads * kHeadDim, kHidden);
    matrix(prefix + "self_attn.o_proj", kHidden, kHeads * kHeadDim);
    if (experts > 0) matrix(prefix + "block_sparse_moe.gate", experts, kHidden);
    for (int64_t e = 0; e < std::max<int64_t>(experts, 1); ++e) {
      const std::string mlp = experts > 0 ? cat(prefix, "block_sparse_moe.experts.", e, ".") : prefix + "mlp.";
      matrix(mlp + (experts > 0 ? "w1" : "gate_proj"), kFeedForward, kHidden);
      matrix(mlp + (experts > 0 ? "w2" : "down_proj"), kHidden, kFeedForward);
      matrix(mlp + (experts > 0 ? "w3" : "up_proj"), kFeedForward, kHidden);
    }
  }
  return list;
}

inline nlohmann::json tiny_tokenizer() {
  using nlohmann::json;
  return {{"version", "1.0"},
          {"added_tokens",
           {{{"id", 6}, {"content", "<s>"}, {"special", true}},
            {{"id", 7}, {"content", "</s>"}, {"special", true}},
            {{"id", 8}, {"content", "<tool>"}, {"special", false}}}},
          {"normalizer", nullptr},
          {"pre_tokenizer",
           {{"type", "Sequence"},
            {"pretokenizers",
             {{{"type", "Digits"}, {"individual_digits", true}},
              {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", false}, {"use_regex", true}}}}}},
          {"post_processor",
           {{"type", "TemplateProcessing"},
            {"single", {{{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}}, {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}},
            {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", {6}}, {"tokens", {"<s>"}}}}}}}},
          {"decoder", {{"type", "ByteLevel"}}},
          {"model",
           {{"type", "BPE"},
            {"vocab", {{"a", 0}, {"b", 1}, {"Ġ", 2}, {"ab", 3}, {"Ġab", 4}}},
            {"merges", {"a b", json::array({"Ġ", "ab"})}}}}};
}

// Distinct values, deterministic, of the size of real weights.
inline float tiny_weight(size_t tensor, size_t i) { return std::sin(static_cast<float>(tensor * 131 + i) * 0.7f) * 0.1f; }

// Writes the directory and returns every tensor's values.
inline std::map<std::string, std::vector<float>> write_tiny_model(const TempDirectory& directory,
                                                                  const nlohmann::json& config, int64_t experts = 0,
                                                                  bool tokenizer = true) {
  directory.write("config.json", config.dump());
  if (tokenizer) {
    directory.write("tokenizer.json", tiny_tokenizer().dump());
    directory.write("tokenizer_config.json",
                    R"({"bos_token":"<s>","eos_token":{"content":"</s>"},"chat_template":"{{ messages }}"})");
  }
  const auto tensors = tiny_tensors(experts);
  std::map<std::string, std::vector<float>> values;
  SafetensorsWriter writer(directory / "model.safetensors", tensors);
  for (size_t t = 0; t < tensors.size(); ++t) {
    const auto& [name, info] = tensors[t];
    std::vector<float>& data = values[name];
    for (size_t i = 0; i < static_cast<size_t>(info.shape[0] * (info.shape.size() > 1 ? info.shape[1] : 1)); ++i)
      data.push_back(tiny_weight(t, i));
    writer.write(name, data.data(), data.size() * sizeof(float));
  }
  writer.finish();
  return values;
}

// All values of a tensor of plain f32.
inline std::vector<float> read_f32(Checkpoint& checkpoint, const std::string& name) {
  const TensorInfo& info = checkpoint.info(name);
  EXPECT_EQ(info.dtype, DType::f32) << name;
  const std::vector<std::byte> bytes = checkpoint.read(name);
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

}  // namespace weft::test
