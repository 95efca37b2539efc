// One model in the forms that checkpoints come in gives the same bits: written from the golden models, whose own form is
// checked against transformers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "kernels/core/log.h"
#include "runtime/engine/engine.h"
#include "runtime/weights/convert.h"
#include "runtime/weights/gguf_writer.h"
#include "runtime/weights/safetensors.h"
#include "tests/runtime/models/golden.h"
#include "tests/runtime/weights/model_files.h"

namespace weft {
namespace {

using nlohmann::json;
using test::refusal;
using testing::HasSubstr;

struct Stored {
  TensorInfo info;
  std::string bytes;
};
using Tensors = std::map<std::string, Stored>;

Tensors tensors_of(const std::string& path) {
  const auto checkpoint = Checkpoint::open(path);
  Tensors tensors;
  for (const auto& [name, info] : checkpoint->tensors()) {
    const std::vector<std::byte> bytes = checkpoint->read(name);
    tensors[name] = {info, std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size())};
  }
  return tensors;
}

class CheckpointForms : public testing::Test {
 protected:
  static void SetUpTestSuite() { start_log("error"); }

  // A directory with these tensors and a golden's config, changed.
  std::string directory(const Tensors& tensors, const std::string& config_of, const json& changes = json::object()) {
    const std::string path = scratch_ / ("m" + std::to_string(++made_));
    std::filesystem::create_directory(path);
    json config = json::parse(Checkpoint::open(read_golden(config_of).model_path)->config_json());
    config.update(changes);
    std::ofstream(path + "/config.json") << config;
    std::vector<std::pair<std::string, TensorInfo>> header;
    for (const auto& [name, tensor] : tensors) header.emplace_back(name, tensor.info);
    SafetensorsWriter writer(path + "/model.safetensors", header);
    for (const auto& [name, tensor] : tensors) writer.write(name, tensor.bytes.data(), tensor.bytes.size());
    writer.finish();
    return path;
  }

  std::string converted(const std::string& golden) {
    const std::string path = scratch_ / (golden + ".gguf");
    convert(read_golden(golden).model_path, DType::f32, path);
    return path;
  }

  // A GGUF with the metadata of `like` and other tensors; of a split model, one part.
  std::string gguf(const std::string& name, const std::string& like, const Tensors& tensors, int64_t part = 0,
                   int64_t parts = 1, int64_t all = 0) {
    GgufWriter writer(scratch_ / name);
    const GgufFile source(like);
    if (part == 0)
      for (const auto& [key, value] : source.metadata()) writer.put(key, value);
    if (parts > 1) {
      writer.put_u32("split.no", part);
      writer.put_u32("split.count", parts);
      writer.put_u32("split.tensors.count", all);
    }
    for (const auto& [tensor, stored] : tensors) writer.add_tensor(tensor, stored.info);
    for (const auto& [tensor, stored] : tensors) writer.write(tensor, stored.bytes.data(), stored.bytes.size());
    writer.finish();
    return scratch_ / name;
  }

  std::vector<float> logits(const std::string& path) {
    EngineConfig config;
    config.dtype = "f32";
    config.threads = 1;
    const auto engine = Engine::create(path, config, std::move(thread_ranks(1)[0]));
    const std::vector<int32_t> ids = {7, 3, 11, 5, 19, 2, 101, 44, 8, 3, 60, 7, 7, 1, 90, 23, 33, 12};
    std::vector<float> out(ids.size() * static_cast<size_t>(engine->model().vocab_size));
    engine->score(ids, out.data());
    return out;
  }
  std::string refused(const std::string& path) {
    return refusal([&] { logits(path); });
  }

  test::TempDirectory scratch_;
  int made_ = 0;
};

Tensors without_prefix(const Tensors& tensors) {
  Tensors bare;
  for (const auto& [name, tensor] : tensors) bare[name.starts_with("model.") ? name.substr(6) : name] = tensor;
  return bare;
}

TEST_F(CheckpointForms, ABaseModelAloneAndOldBuffers) {
  const std::string golden = read_golden("llama3").model_path;  // tied
  Tensors bare = without_prefix(tensors_of(golden));
  ASSERT_TRUE(bare.contains("embed_tokens.weight"));
  const Stored buffer{{DType::f32, {2}}, std::string(8, 'x')};
  for (const char* name : {"layers.0.self_attn.rotary_emb.inv_freq", "layers.1.self_attn.rotary_emb.cos_cached",
                           "layers.1.self_attn.rotary_emb.sin_cached", "rotary_emb.inv_freq"})
    bare[name] = buffer;
  EXPECT_EQ(logits(directory(bare, "llama3")), logits(golden));

  const Tensors untied = without_prefix(tensors_of(read_golden("llama2").model_path));
  EXPECT_EQ(logits(directory(untied, "llama2")), logits(read_golden("llama2").model_path));  // with its head
  Tensors headless = untied;
  headless.erase("lm_head.weight");
  EXPECT_THAT(refused(directory(headless, "llama2")), HasSubstr("tensor lm_head.weight is missing"));
  bare["lm_head.bias"] = buffer;
  EXPECT_THAT(refused(directory(bare, "llama3")), HasSubstr("tensor lm_head.bias is not part of a llama model"));
}

TEST_F(CheckpointForms, AHeadOfOtherValuesIsUsed) {
  const std::string golden = read_golden("llama3").model_path;
  Tensors tensors = tensors_of(golden);
  Stored& head = tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"];
  EXPECT_EQ(logits(directory(tensors, "llama3")), logits(golden));
  Tensors only_head = tensors;
  only_head.erase("model.embed_tokens.weight");
  EXPECT_EQ(logits(directory(only_head, "llama3")), logits(golden));
  head.bytes[3] ^= 1;  // the exponent of one weight
  const std::string tied = directory(tensors, "llama3");
  EXPECT_NE(logits(tied), logits(golden));
  EXPECT_EQ(logits(tied), logits(directory(tensors, "llama3", {{"tie_word_embeddings", false}})));

  const std::string path = scratch_ / "tied.gguf";
  EXPECT_THAT(convert(tied, DType::f32, path), testing::Contains(HasSubstr("an lm_head of other values: it is used")));
  EXPECT_TRUE(Checkpoint::open(path)->has("output.weight"));
}

TEST_F(CheckpointForms, NullSwitchesAWindowOff) {
  const std::string golden = read_golden("qwen2_window").model_path;
  const Tensors tensors = tensors_of(golden);
  const auto open = logits(directory(tensors, "qwen2_window", {{"sliding_window", nullptr}}));
  EXPECT_NE(open, logits(golden));
  EXPECT_EQ(open, logits(directory(tensors, "qwen2_window", {{"use_sliding_window", false}})));
}

TEST_F(CheckpointForms, ASplitGguf) {
  const std::string whole = converted("mixtral");
  Tensors tensors = tensors_of(whole), parts[3];
  size_t i = 0;
  for (const auto& [name, tensor] : tensors) parts[++i % 3][name] = tensor;
  for (int64_t p = 0; p < 3; ++p)
    gguf(cat("s-0000", p + 1, "-of-00003.gguf"), whole, parts[p], p, 3, static_cast<int64_t>(tensors.size()));
  const std::string first = scratch_ / "s-00001-of-00003.gguf", joined = scratch_ / "joined.gguf";
  EXPECT_EQ(logits(first), logits(whole));
  convert(first, DType::f32, joined);
  EXPECT_EQ(logits(joined), logits(whole));
}

TEST_F(CheckpointForms, OneTensorAnExpertAsIn2023) {
  const std::string stacked = converted("mixtral");
  Tensors tensors;
  for (const auto& [name, tensor] : tensors_of(stacked)) {
    const size_t at = name.find("_exps.weight");
    if (at == name.npos) {
      tensors[name] = tensor;
      continue;
    }
    const int64_t experts = tensor.info.shape[0];
    const size_t bytes = tensor.bytes.size() / static_cast<size_t>(experts);
    for (int64_t e = 0; e < experts; ++e)
      tensors[cat(name.substr(0, at), ".", e, ".weight")] = {{DType::f32, {tensor.info.shape[1], tensor.info.shape[2]}},
                                                             tensor.bytes.substr(static_cast<size_t>(e) * bytes, bytes)};
  }
  EXPECT_EQ(logits(gguf("old.gguf", stacked, tensors)), logits(stacked));
}

// As transformers 5 holds them in memory: gate above up, expert behind expert, the router under mlp.
TEST_F(CheckpointForms, FusedExperts) {
  const std::string golden = read_golden("mixtral").model_path;
  Tensors fused;
  for (const auto& [name, tensor] : tensors_of(golden)) {
    const size_t module = name.find("block_sparse_moe.");
    if (module == name.npos) {
      fused[name] = tensor;
      continue;
    }
    const std::string layer = name.substr(0, module) + "mlp.";
    if (name.ends_with("gate.weight")) fused[layer + "gate.weight"] = tensor;
    if (!name.ends_with("w1.weight") && !name.ends_with("w2.weight")) continue;
    const bool down = name.ends_with("w2.weight");
    Stored& all = fused[layer + (down ? "experts.down_proj" : "experts.gate_up_proj")];
    all.bytes += tensor.bytes;  // names ascend with the expert, of which there are fewer than ten
    if (!down) all.bytes += tensors_of(golden).at(name.substr(0, name.size() - 9) + "w3.weight").bytes;
    const int64_t experts = all.info.shape.empty() ? 1 : all.info.shape[0] + 1;
    all.info = {tensor.info.dtype, {experts, tensor.info.shape[0] * (down ? 1 : 2), tensor.info.shape[1]}};
  }
  EXPECT_EQ(logits(directory(fused, "mixtral")), logits(golden));
}

TEST_F(CheckpointForms, BiasesOnQueriesKeysAndValuesOnly) {
  const std::string biased = converted("llama_bias");
  Tensors zero = tensors_of(biased), none = zero;
  for (auto& [name, tensor] : zero)
    if (name.ends_with("attn_output.bias")) {
      none.erase(name);
      tensor.bytes.assign(tensor.bytes.size(), '\0');
    }
  const auto expected = logits(gguf("zero.gguf", biased, zero));
  EXPECT_EQ(logits(gguf("none.gguf", biased, none)), expected);
  EXPECT_NE(expected, logits(biased));
  none.erase("blk.1.attn_k.bias");
  EXPECT_THAT(refused(gguf("uneven.gguf", biased, none)), HasSubstr("tensor blk.1.attn_k.bias is missing"));
}

}  // namespace
}  // namespace weft
