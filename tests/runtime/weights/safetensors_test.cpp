// The safetensors reader refuses every malformation with one InputError, and reads what it and others write.
#include "runtime/weights/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "tests/runtime/weights/model_files.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace weft {
namespace {

using test::raw;
using test::refusal;
using test::safetensors;
using test::TempDirectory;
using testing::HasSubstr;

class Safetensors : public testing::Test {
 protected:
  std::map<std::string, SafetensorsEntry> read(const std::string& bytes) {
    return read_safetensors_header(MappedFile(directory_.write("t.safetensors", bytes)));
  }
  std::string refused(const std::string& bytes) {
    return refusal([&] { read(bytes); });
  }
  std::string refused(const std::string& header, size_t data_bytes) {
    return refused(safetensors(header, std::string(data_bytes, 'x')));
  }

  TempDirectory directory_;
};

TEST_F(Safetensors, ReadsScalarsEmptyTensorsMetadataAndPaddedHeaders) {
  const auto entries = read(safetensors(R"({"__metadata__":{"format":"pt","é":"ü"},
      "scalar":{"dtype":"F32","shape":[],"data_offsets":[0,4]},
      "empty":{"dtype":"F16","shape":[3,0,2],"data_offsets":[4,4]},
      "odd":{"dtype":"BF16","shape":[3,1],"data_offsets":[4,10]},
      "bytes":{"dtype":"BOOL","shape":[3],"data_offsets":[10,13]}}   )",
                                        std::string(13, 'x')));
  ASSERT_EQ(entries.size(), 4u);
  EXPECT_TRUE(entries.at("scalar").shape.empty());
  EXPECT_EQ(entries.at("empty").begin, entries.at("empty").end);
  EXPECT_EQ(entries.at("odd").shape, (std::vector<int64_t>{3, 1}));
  EXPECT_EQ(entries.at("bytes").dtype, "BOOL");
}

TEST_F(Safetensors, RefusesHeadersThatDoNotFit) {
  const std::string good = safetensors(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", std::string(8, 'x'));
  ASSERT_NO_THROW(read(good));
  for (size_t length = 1; length < good.size(); ++length) EXPECT_NE(refused(good.substr(0, length)), "") << length;
  EXPECT_THAT(refused(""), HasSubstr("empty"));
  EXPECT_THAT(refused(raw(~uint64_t{0}) + "{}"), HasSubstr("header of 18446744073709551615 bytes"));
  EXPECT_THAT(refused(raw(uint64_t{1} << 63) + "{}"), HasSubstr("does not fit"));
  EXPECT_THAT(refused(raw(uint64_t{100'000'001}) + std::string(100, ' ')), HasSubstr("limit"));
  EXPECT_THAT(refused(good + "y"), HasSubstr("end 1 bytes before the file"));
}

TEST_F(Safetensors, RefusesWhatIsNotTheJsonItShouldBe) {
  EXPECT_THAT(refused(" {}", 0), HasSubstr("does not start with {"));
  EXPECT_THAT(refused("[]", 0), HasSubstr("does not start with {"));
  EXPECT_THAT(refused("{\"a\"", 0), HasSubstr("not valid JSON"));
  EXPECT_THAT(refused("{}{}", 0), HasSubstr("not valid JSON"));
  EXPECT_THAT(refused("{\"\xff\":1}", 0), HasSubstr("not valid JSON"));
  EXPECT_THAT(
      refused(
          R"({"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}})",
          0),
      HasSubstr("\"a\" twice"));
  EXPECT_THAT(refused(R"({"a":{"dtype":"F32","dtype":"F16","shape":[0],"data_offsets":[0,0]}})", 0), HasSubstr("twice"));
  EXPECT_THAT(refused("{\"a\":" + std::string(100'000, '[') + std::string(100'000, ']') + "}", 0), HasSubstr("nested"));
  EXPECT_THAT(refused(R"({"a":1e999})", 0), HasSubstr("does not fit"));
  EXPECT_THAT(refused(R"({"a":{"dtype":"F32","shape":[1]}})", 4), HasSubstr("exactly the keys"));
  EXPECT_THAT(refused(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}})", 4), HasSubstr("exactly the keys"));
  EXPECT_THAT(refused(R"({"a":{"dtype":"Q4","shape":[1],"data_offsets":[0,4]}})", 4), HasSubstr("unknown dtype \"Q4\""));
  EXPECT_THAT(refused(R"({"a":{"dtype":7,"shape":[1],"data_offsets":[0,4]}})", 4), HasSubstr("dtype must be a string"));
  EXPECT_THAT(refused("{\"" + std::string(5000, 'n') + R"(":{"dtype":"Q4","shape":[1],"data_offsets":[0,4]}})", 4),
              HasSubstr("nnn..."));
}

TEST_F(Safetensors, RefusesShapesAndOffsetsThatLie) {
  const auto tensor = [&](const std::string& dtype, const std::string& shape, const std::string& offsets, size_t data) {
    return refused("{\"a\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}}", data);
  };
  EXPECT_THAT(tensor("F32", "[2]", "[0,4]", 4), HasSubstr("does not fill"));
  EXPECT_THAT(tensor("F32", "[-1]", "[0,4]", 4), HasSubstr("whole numbers"));
  EXPECT_THAT(tensor("F32", "[1.0]", "[0,4]", 4), HasSubstr("whole numbers"));
  EXPECT_THAT(tensor("F32", "[9223372036854775808]", "[0,4]", 4), HasSubstr("whole numbers"));
  EXPECT_THAT(tensor("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]", 4), HasSubstr("9 dimensions"));
  // 2^62 * 2^62, and a product that wraps around to 4 elements in 64 bits
  EXPECT_THAT(tensor("F32", "[4611686018427387904,4611686018427387904]", "[0,4]", 4), HasSubstr("does not fill"));
  EXPECT_THAT(tensor("U8", "[4194305,4194305,211106198978564]", "[0,4]", 4), HasSubstr("does not fill"));
  EXPECT_THAT(tensor("F64", "[2305843009213693952]", "[0,0]", 0), HasSubstr("does not fill"));
  EXPECT_THAT(tensor("F32", "[1]", "[4,0]", 4), HasSubstr("do not lie"));
  EXPECT_THAT(tensor("F32", "[2]", "[0,8]", 4), HasSubstr("do not lie"));
  EXPECT_THAT(tensor("F32", "[1]", "[-4,0]", 4), HasSubstr("two whole numbers"));
  EXPECT_THAT(tensor("F32", "[1]", "[0]", 4), HasSubstr("two whole numbers"));
  EXPECT_THAT(tensor("F32", "[1]", "[0,18446744073709551615]", 4), HasSubstr("do not lie"));
  EXPECT_THAT(tensor("F4", "[3]", "[0,1]", 1), HasSubstr("does not fill"));
  EXPECT_THAT(tensor("F32", "[1]", "[4,8]", 8), HasSubstr("hole at data offset 0"));
}

TEST_F(Safetensors, RefusesOverlapAndHoles) {
  const auto two = [&](const std::string& first, const std::string& second, size_t data) {
    return refused(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)" + first +
                       R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + second + "}}",
                   data);
  };
  EXPECT_THAT(two("[0,4]", "[2,6]", 6), HasSubstr("overlap"));
  EXPECT_THAT(two("[0,4]", "[0,4]", 4), HasSubstr("overlap"));
  EXPECT_THAT(two("[0,4]", "[5,9]", 9), HasSubstr("hole"));
  EXPECT_THAT(two("[4,8]", "[0,4]", 10), HasSubstr("end 2 bytes before"));
}

TEST_F(Safetensors, WriterRoundTripsBitForBit) {
  const float nasty[] = {std::nanf("7"), -std::numeric_limits<float>::infinity(), -0.0f, 1e-45f, 3.5f, -1};
  const uint16_t half[] = {0x7e01, 0x8000, 0xffff};
  const int32_t ids[] = {-1, 2};
  const std::string path = directory_ / "out.safetensors";
  SafetensorsWriter writer(path, {{"logits.0", {DType::f32, {2, 3}}},
                                  {"nothing", {DType::f32, {0, 7}}},
                                  {"half", {DType::bf16, {3}}},
                                  {"greedy_ids.0", {DType::i32, {2}}}});
  writer.write("logits.0", nasty, 8);
  writer.write("logits.0", nasty + 2, 16);
  writer.write("half", half, sizeof half);
  writer.write("greedy_ids.0", ids, sizeof ids);
  EXPECT_FALSE(std::filesystem::exists(path));
  writer.finish();

  const MappedFile file(path);
  const auto entries = read_safetensors_header(file);
  ASSERT_EQ(entries.size(), 4u);
  const auto equal = [&](const char* name, const void* data, size_t bytes) {
    const SafetensorsEntry& entry = entries.at(name);
    return entry.end - entry.begin == bytes && std::memcmp(file.bytes().data() + entry.begin, data, bytes) == 0;
  };
  EXPECT_TRUE(equal("logits.0", nasty, sizeof nasty));
  EXPECT_TRUE(equal("half", half, sizeof half));
  EXPECT_TRUE(equal("greedy_ids.0", ids, sizeof ids));
  EXPECT_EQ(entries.at("greedy_ids.0").dtype, "I32");
  EXPECT_EQ(entries.at("logits.0").shape, (std::vector<int64_t>{2, 3}));
}

TEST_F(Safetensors, WriterLeavesNothingBehindUnlessFinished) {
  const float one = 1;
  {
    SafetensorsWriter writer(directory_ / "a.safetensors", {{"x", {DType::f32, {2}}}});
    writer.write("x", &one, sizeof one);
    EXPECT_THROW(writer.finish(), CheckError);  // half of x is missing
    EXPECT_THROW(writer.write("y", &one, sizeof one), CheckError);
  }
  EXPECT_TRUE(std::filesystem::is_empty(directory_.path()));
  EXPECT_THAT(refusal([&] { SafetensorsWriter(directory_ / "no/such/place", {}); }), HasSubstr("cannot write"));
  EXPECT_THAT(refusal([&] { SafetensorsWriter(directory_ / "b", {{"x", {DType::q8_0, {32}}}}); }), HasSubstr("q8_0"));
}

TEST_F(Safetensors, WriterDoesNotReplaceADevice) {
  SafetensorsWriter writer("/dev/null", {});
  writer.finish();
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
}

TEST_F(Safetensors, MutatedFilesAreReadOrRefused) {
  const std::string seed = safetensors(
      R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
      R"("b":{"dtype":"BF16","shape":[],"data_offsets":[24,26]},"c":{"dtype":"I64","shape":[1,2],"data_offsets":[26,42]}})",
      std::string(42, 'x'));
  for (uint64_t i = 0; i < 4000; ++i) {
    const std::string bytes = test::mutate(seed, i);
    ASSERT_EQ(LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()), 0);
  }
}

}  // namespace
}  // namespace weft
