// The GGUF reader refuses every malformation with one InputError; what the writer writes is read back.
#include "runtime/weights/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include <cmath>
#include <cstring>

#include "runtime/weights/gguf_config.h"
#include "runtime/weights/gguf_writer.h"
#include "runtime/weights/hf_config.h"
#include "tests/runtime/weights/model_files.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace weft {
namespace {

using namespace test;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr uint32_t kF32 = 0, kQ4_0 = 2, kQ6_K = 14;
constexpr uint32_t kBool = 7, kArray = 9, kU64 = 10;

class Gguf : public testing::Test {
 protected:
  GgufFile read(const GgufParts& parts) { return GgufFile(directory_.write("m.gguf", parts.bytes())); }
  std::string refused(const GgufParts& parts) {
    return refusal([&] { read(parts); });
  }
  // A file with this metadata entry, or this tensor before 64 bytes of data.
  std::string refused_pair(const std::string& pair) { return refused({.pairs = {pair}}); }
  std::string refused_tensor(const std::string& tensor) {
    return refused({.tensors = {tensor}, .data = std::string(64, 'x')});
  }

  TempDirectory directory_;
};

// A small Llama's metadata.
std::vector<std::string> llama_metadata() {
  return {gguf_string("general.architecture", "llama"),
          gguf_u32("llama.block_count", 2),
          gguf_u32("llama.context_length", 128),
          gguf_u32("llama.embedding_length", 64),
          gguf_u32("llama.feed_forward_length", 96),
          gguf_u32("llama.attention.head_count", 4),
          gguf_u32("llama.attention.head_count_kv", 2),
          gguf_f32("llama.attention.layer_norm_rms_epsilon", 1e-5f),
          gguf_strings("tokenizer.ggml.tokens", {"a", "", "\xff"})};
}

TEST_F(Gguf, ReadsEveryKindOfValue) {
  const GgufFile file =
      read({.version = 2,
            .pairs = {gguf_pair("u8", 0, raw(uint8_t{255})), gguf_pair("i8", 1, raw(int8_t{-1})),
                      gguf_pair("u16", 2, raw(uint16_t{65535})), gguf_pair("i16", 3, raw(int16_t{-2})),
                      gguf_u32("u32", 4294967295u), gguf_pair("i32", 5, raw(int32_t{-3})), gguf_f32("f32", 0.5f),
                      gguf_pair("bool", kBool, raw(uint8_t{1})), gguf_string("string", "a\0b"),
                      gguf_pair("u64", kU64, raw(~uint64_t{0})), gguf_pair("i64", 11, raw(int64_t{-4})),
                      gguf_pair("f64", 12, raw(0.25)), gguf_strings("strings", {"", "x", "yz"}),
                      gguf_pair("i32s", kArray, raw(5u) + raw(uint64_t{2}) + raw(int32_t{-1}) + raw(int32_t{7})),
                      gguf_pair("none", kArray, raw(8u) + raw(uint64_t{0}))}});
  EXPECT_EQ(file.get_int("u8"), 255);
  EXPECT_EQ(file.get_int("i8"), -1);
  EXPECT_EQ(file.get_int("u16"), 65535);
  EXPECT_EQ(file.get_int("i16"), -2);
  EXPECT_EQ(file.get_int("u32"), 4294967295);
  EXPECT_EQ(file.get_int("i32"), -3);
  EXPECT_EQ(file.get_int("i64"), -4);
  EXPECT_EQ(file.get_float("f32"), 0.5);
  EXPECT_EQ(file.get_float("f64"), 0.25);
  EXPECT_EQ(file.get_float("i32"), -3);
  EXPECT_EQ(file.get_bool("bool"), true);
  EXPECT_EQ(file.get_string("string"), "a");
  EXPECT_THAT(file.get_string_array("strings"), ElementsAre("", "x", "yz"));
  EXPECT_THAT(file.get_int_array("i32s"), ElementsAre(-1, 7));
  EXPECT_THAT(file.get_float_array("i32s"), ElementsAre(-1, 7));
  EXPECT_TRUE(file.get_string_array("none").empty());
  EXPECT_EQ(file.get_int("absent"), std::nullopt);
  EXPECT_TRUE(file.get_string_array("absent").empty());
  EXPECT_THAT(refusal([&] { file.get_int("u64"); }), HasSubstr("\"u64\" is a u64, not an integer below 2^63"));
  EXPECT_THAT(refusal([&] { file.get_int("string"); }), HasSubstr("is a string"));
  EXPECT_THAT(refusal([&] { file.get_int("i32s"); }), HasSubstr("is an array of i32"));
  EXPECT_THAT(refusal([&] { file.get_string_array("i32s"); }), HasSubstr("not an array of strings"));
  EXPECT_THAT(refusal([&] { file.get_string_array("string"); }), HasSubstr("not an array"));
}

TEST_F(Gguf, RefusesForeignAndTruncatedFiles) {
  const GgufParts good{
      .pairs = llama_metadata(), .tensors = {gguf_tensor("t", {4, 4}, kF32, 0)}, .data = std::string(64, 'x')};
  ASSERT_NO_THROW(read(good));
  const std::string bytes = good.bytes();
  for (size_t length = 1; length < bytes.size(); ++length)
    EXPECT_NE(refusal([&] { GgufFile(directory_.write("cut.gguf", bytes.substr(0, length))); }), "") << length;
  EXPECT_THAT(refused({.magic = "GGML"}), HasSubstr("does not start with GGUF"));
  EXPECT_THAT(refused({.version = 1}), HasSubstr("version 1"));
  EXPECT_THAT(refused({.version = 4}), HasSubstr("version 4"));
  EXPECT_THAT(refused({.version = 3u << 24}), HasSubstr("big-endian"));
}

TEST_F(Gguf, RefusesAbsurdCounts) {
  for (const uint64_t count : {uint64_t{100}, uint64_t{1} << 32, uint64_t{1} << 60, uint64_t{1} << 63, ~uint64_t{0}}) {
    EXPECT_NE(refused({.pair_count = count}), "") << count;
    EXPECT_NE(refused({.tensor_count = count}), "") << count;
    EXPECT_NE(refused_pair(gguf_pair("k", kArray, raw(4u) + raw(count))), "") << count;
    EXPECT_NE(refused_pair(gguf_pair("k", kArray, raw(8u) + raw(count))), "") << count;
    EXPECT_NE(refused_pair(gguf_pair("k", 8, raw(count + 64))), "") << count;
    EXPECT_NE(refused_pair(raw(count) + "k"), "") << count;
  }
  EXPECT_THAT(refused({.tensor_count = ~uint64_t{0}}), HasSubstr("more than its"));
}

TEST_F(Gguf, RefusesBadMetadata) {
  EXPECT_THAT(refused({.pairs = {gguf_u32("k", 1), gguf_u32("k", 1)}}), HasSubstr("\"k\" appears twice"));
  EXPECT_THAT(refused_pair(gguf_pair("k", 13, raw(uint64_t{0}))), HasSubstr("unknown value type 13"));
  EXPECT_THAT(refused_pair(gguf_pair("k", kArray, raw(13u) + raw(uint64_t{0}))), HasSubstr("unknown value type 13"));
  EXPECT_THAT(refused_pair(gguf_pair("k", kArray, raw(9u) + raw(uint64_t{1}) + raw(4u) + raw(uint64_t{0}))),
              HasSubstr("array of arrays"));
  EXPECT_THAT(refused_pair(gguf_pair("k", kBool, raw(uint8_t{2}))), HasSubstr("neither 0 nor 1"));
  EXPECT_THAT(refused_pair(gguf_u32("", 1)), HasSubstr("printable"));
  EXPECT_THAT(refused_pair(gguf_u32("a\nb", 1)), HasSubstr("printable"));
  EXPECT_THAT(refused_pair(gguf_u32(std::string(65536, 'k'), 1)), HasSubstr("65535"));
}

TEST_F(Gguf, RefusesBadAlignment) {
  const auto aligned = [&](uint32_t alignment) { return refused({.pairs = {gguf_u32("general.alignment", alignment)}}); };
  for (const uint32_t alignment : {0u, 1u, 4u, 24u, 33u, 131072u, 0x80000000u, 0xffffffffu})
    EXPECT_THAT(aligned(alignment), HasSubstr("power of two from 8")) << alignment;
  EXPECT_THAT(refused({.pairs = {gguf_string("general.alignment", "32")}}), HasSubstr("not an integer"));
  const GgufFile wide = read({.pairs = {gguf_u32("general.alignment", 64)},
                              .tensors = {gguf_tensor("t", {4}, kF32, 64)},
                              .data = std::string(80, 'x'),
                              .alignment = 64});
  EXPECT_EQ(wide.tensors().at("t").begin % 64, 0u);
  EXPECT_EQ(wide.tensors().at("t").end, wide.file().bytes().size());
}

TEST_F(Gguf, RefusesBadTensors) {
  EXPECT_THAT(refused_tensor(gguf_tensor("t", {}, kF32, 0)), HasSubstr("0 dimensions"));
  EXPECT_THAT(refused_tensor(gguf_tensor("t", {1, 1, 1, 1, 1}, kF32, 0)), HasSubstr("5 dimensions"));
  EXPECT_THAT(refused_tensor(gguf_tensor("t", {4, 0}, kF32, 0)), HasSubstr("dimension 1 = 0"));
  EXPECT_THAT(refused_tensor(gguf_tensor("t", {uint64_t{1} << 63}, kF32, 0)), HasSubstr("dimension 0"));
  EXPECT_THAT(refused_tensor(gguf_tensor("t", {uint64_t{1} << 32, uint64_t{1} << 32}, kF32, 0)), HasSubstr("dimension 1"));
  EXPECT_THAT(refused_tensor(gguf_tensor("t", {uint64_t{1} << 62}, kF32, 0)), HasSubstr("too many bytes"));
  EXPECT_THAT(refused_tensor(gguf_tensor("t", {uint64_t{1} << 61}, kF32, 0)), HasSubstr("too many bytes"));
  EXPECT_THAT(refused_tensor(gguf_tensor("t", {4194305, 4194305, 211106198978564}, 0, 0)), HasSubstr("dimension 2"));
  EXPECT_THAT(refused_tensor(gguf_tensor("t", {48}, kQ4_0, 0)), HasSubstr("whole blocks of 32"));
  EXPECT_THAT(refused_tensor(gguf_tensor("t", {32, 8}, kQ6_K, 0)), HasSubstr("whole blocks of 256"));
  EXPECT_THAT(refused_tensor(gguf_tensor("t", {256}, 23, 0)), HasSubstr("type IQ4_XS"));
  EXPECT_THAT(refused_tensor(gguf_tensor("t", {4}, 4, 0)), HasSubstr("type number 4"));
  EXPECT_THAT(refused_tensor(gguf_tensor("t", {4}, 0xffffffff, 0)), HasSubstr("type number 4294967295"));
  EXPECT_THAT(refused_tensor(gguf_tensor("t", {4}, kF32, 1)), HasSubstr("not a multiple of 32"));
  EXPECT_THAT(refused_tensor(gguf_tensor("t", {4}, kF32, 64)), HasSubstr("beyond the file"));
  EXPECT_THAT(refused_tensor(gguf_tensor("t", {17}, kF32, 0)), HasSubstr("beyond the file"));
  EXPECT_THAT(refused_tensor(gguf_tensor("t", {4}, kF32, ~uint64_t{31})), HasSubstr("beyond the file"));
  EXPECT_THAT(refused_tensor(gguf_tensor("t", {4}, kF32, uint64_t{1} << 63)), HasSubstr("beyond the file"));
  EXPECT_THAT(refused_tensor(gguf_tensor(std::string(65, 't'), {4}, kF32, 0)), HasSubstr("64"));
  EXPECT_THAT(
      refused({.tensors = {gguf_tensor("t", {4}, kF32, 0), gguf_tensor("t", {4}, kF32, 32)}, .data = std::string(64, 'x')}),
      HasSubstr("appears twice"));
  EXPECT_THAT(
      refused({.tensors = {gguf_tensor("t", {12}, kF32, 0), gguf_tensor("u", {4}, kF32, 32)}, .data = std::string(64, 'x')}),
      HasSubstr("overlap"));
}

TEST_F(Gguf, WriterRoundTripsMetadataAndBlocks) {
  const std::string path = directory_ / "w.gguf";
  const std::vector<float> vector = {1, -2, 3};
  std::vector<uint8_t> blocks(2 * 3 * 34);
  for (size_t i = 0; i < blocks.size(); ++i) blocks[i] = static_cast<uint8_t>(i * 7);
  const GgufFile source = read({.pairs = {gguf_strings("copied", {"x", "", "yz"}), gguf_pair("f64", 12, raw(0.1))}});
  {
    GgufWriter writer(path);
    writer.put_u32("n", 7);
    writer.put_f32("f", 0.5);
    writer.put_bool("b", true);
    writer.put_string("s", "hé");
    writer.put_strings("ss", {"", "a b"});
    writer.put_i32s("is", {-1, 1});
    for (const auto& [key, value] : source.metadata()) writer.put(key, value);
    writer.add_tensor("v", {DType::f32, {3}});
    writer.add_tensor("m", {DType::q8_0, {2, 3, 32}});
    writer.write("v", vector.data(), 12);
    writer.write("m", blocks.data(), 100);
    writer.write("m", blocks.data() + 100, blocks.size() - 100);
    writer.finish();
    EXPECT_THAT(refusal([&] { GgufWriter(directory_ / "x").put_u32("n", -1); }), HasSubstr("n = -1"));
  }
  const GgufFile file(path);
  EXPECT_EQ(file.get_int("n"), 7);
  EXPECT_EQ(file.get_float("f"), 0.5);
  EXPECT_EQ(file.get_bool("b"), true);
  EXPECT_EQ(file.get_string("s"), "hé");
  EXPECT_THAT(file.get_string_array("ss"), ElementsAre("", "a b"));
  EXPECT_THAT(file.get_int_array("is"), ElementsAre(-1, 1));
  EXPECT_THAT(file.get_string_array("copied"), ElementsAre("x", "", "yz"));
  EXPECT_EQ(file.get_float("f64"), 0.1);
  const GgufTensor& m = file.tensors().at("m");
  EXPECT_EQ(m.info.shape, (std::vector<int64_t>{2, 3, 32}));
  ASSERT_EQ(m.end - m.begin, blocks.size());
  EXPECT_EQ(std::memcmp(file.file().bytes().data() + m.begin, blocks.data(), blocks.size()), 0);
  const GgufTensor& v = file.tensors().at("v");
  EXPECT_EQ(std::memcmp(file.file().bytes().data() + v.begin, vector.data(), 12), 0);
  EXPECT_EQ(file.file().bytes().size() % 32, 0u);
}

TEST_F(Gguf, TranslatesMetadataToAConfig) {
  GgufParts parts{.pairs = llama_metadata()};
  const std::string dense = gguf_config_json(read(parts));
  EXPECT_THAT(dense, HasSubstr("\"model_type\": \"llama\""));
  EXPECT_THAT(dense, HasSubstr("\"rms_norm_eps\": 1e-05"));
  EXPECT_THAT(dense, HasSubstr("\"vocab_size\": 3"));
  EXPECT_THAT(dense, HasSubstr("\"tie_word_embeddings\": true"));
  EXPECT_THAT(dense, Not(HasSubstr("rope_scaling")));

  parts.pairs.push_back(gguf_string("llama.rope.scaling.type", "yarn"));
  parts.pairs.push_back(gguf_f32("llama.rope.scaling.factor", 4));
  parts.pairs.push_back(gguf_u32("llama.attention.sliding_window", 32));
  parts.pairs.push_back(gguf_u32("tokenizer.ggml.eos_token_id", 2));
  parts.pairs.push_back(gguf_u32("tokenizer.ggml.eot_token_id", 1));
  const std::string mistral = gguf_config_json(read(parts));
  EXPECT_THAT(mistral, HasSubstr("\"model_type\": \"mistral\""));
  EXPECT_THAT(mistral, HasSubstr("\"sliding_window\": 32"));
  EXPECT_THAT(mistral, HasSubstr("\"rope_type\": \"yarn\""));
  EXPECT_EQ(read_llama_family(mistral).model_type, "mistral");

  parts.pairs.push_back(gguf_u32("llama.expert_count", 4));
  EXPECT_THAT(refusal([&] { gguf_config_json(read(parts)); }), HasSubstr("llama.expert_used_count is missing"));
  parts.pairs.push_back(gguf_u32("llama.expert_used_count", 2));
  EXPECT_THAT(gguf_config_json(read(parts)), HasSubstr("\"model_type\": \"mixtral\""));
}

TEST_F(Gguf, RefusesConfigsByName) {
  const auto config = [&](const std::vector<std::string>& pairs) {
    return refusal([&] { gguf_config_json(read({.pairs = pairs})); });
  };
  EXPECT_THAT(config({}), HasSubstr("general.architecture is missing"));
  EXPECT_THAT(config({gguf_string("general.architecture", "mamba\xff")}), HasSubstr("(llama, qwen2, qwen3, qwen3moe)"));
  EXPECT_THAT(config({gguf_string("general.architecture", "llama")}), HasSubstr("llama.attention.head_count is missing"));
  std::vector<std::string> pairs = llama_metadata();
  pairs.push_back(gguf_f32("llama.rope.freq_base", std::nanf("")));
  EXPECT_THAT(config(pairs), HasSubstr("freq_base is nan"));
  pairs.back() = gguf_string("llama.rope.scaling.type", "longrope");
  EXPECT_THAT(config(pairs), HasSubstr("\"longrope\""));
}

TEST_F(Gguf, EveryKeyOfTheArchitectureCounts) {
  const auto config = [&](const std::string& pair) {
    std::vector<std::string> pairs = llama_metadata();
    pairs.push_back(pair);
    return gguf_config_json(read({.pairs = pairs}));
  };
  const auto with = [&](const std::string& pair) { return refusal([&] { config(pair); }); };
  for (const auto& [key, value] : {std::pair("attention.clamp_kqv", 8.0f),
                                   {"final_logit_softcapping", 30.0f},
                                   {"logit_scale", 0.5f},
                                   {"embedding_scale", 12.0f},
                                   {"residual_scale", 0.2f},
                                   {"expert_weights_scale", 2.5f},
                                   {"rope.scaling.yarn_log_multiplier", 0.1f}})
    EXPECT_THAT(with(gguf_f32(std::string("llama.") + key, value)), HasSubstr(std::string(key) + " = "));
  EXPECT_THAT(with(gguf_u32("llama.expert_shared_count", 1)), HasSubstr("expert_shared_count = 1 is not supported, only 0"));
  EXPECT_THAT(with(gguf_pair("llama.attention.causal", 7, raw(uint8_t{0}))),
              HasSubstr("attention.causal = 0 is not supported, only 1"));
  EXPECT_NO_THROW(config(gguf_pair("llama.attention.causal", 7, raw(uint8_t{1}))));
  EXPECT_THAT(with(gguf_u32("llama.rope.dimension_count", 8)), HasSubstr("and only 16, the whole head"));
  EXPECT_NO_THROW(config(gguf_u32("llama.rope.dimension_count", 16)));
  EXPECT_THAT(with(gguf_u32("llama.attention.value_length", 4)), HasSubstr("and only 16, the length of keys"));
  EXPECT_THAT(with(gguf_f32("llama.attention.scale", 0.5f)), HasSubstr("and only 0.25, 1 / sqrt"));
  EXPECT_THAT(with(gguf_f32("llama.rope.scaling.attn_factor", 1.5f)), HasSubstr("only 1, without YaRN"));
  EXPECT_THAT(with(gguf_u32("llama.moonlight", 1)), HasSubstr("unknown metadata llama.moonlight"));
  EXPECT_THAT(with(gguf_string("llama.attention.causal", "no")), HasSubstr("attention.causal is not supported"));
  EXPECT_NO_THROW(config(gguf_u32("llama.pooling_type", 3)));
  EXPECT_NO_THROW(config(gguf_u32("other.moonlight", 1)));
}

TEST_F(Gguf, AFactorMultipliesYarnsOwn) {
  std::vector<std::string> pairs = llama_metadata();
  pairs.push_back(gguf_string("llama.rope.scaling.type", "yarn"));
  pairs.push_back(gguf_f32("llama.rope.scaling.factor", 4));
  pairs.push_back(gguf_f32("llama.rope.scaling.attn_factor", 0.8782488562869419f));
  const auto config = resolve_config(gguf_config_json(read({.pairs = pairs})));
  EXPECT_NEAR(config["rope_parameters"]["attention_factor"].get<double>(), 1, 1e-6);
}

TEST_F(Gguf, MutatedFilesAreReadOrRefused) {
  GgufParts parts{.pairs = llama_metadata(),
                  .tensors = {gguf_tensor("token_embd.weight", {4, 3}, kF32, 0), gguf_tensor("q", {32, 1}, kQ4_0, 64)},
                  .data = std::string(96, 'x')};
  parts.pairs.push_back(gguf_string("llama.rope.scaling.type", "yarn"));
  parts.pairs.push_back(gguf_f32("llama.rope.scaling.factor", 4));
  const std::string seed = parts.bytes();
  for (uint64_t i = 0; i < 4000; ++i) {
    const std::string bytes = mutate(seed, i);
    ASSERT_EQ(LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()), 0);
  }
}

}  // namespace
}  // namespace weft
