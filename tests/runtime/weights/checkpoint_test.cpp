// A Checkpoint shows the same tensors whatever the file format, and refuses directories that do not hold
// together.
#include "runtime/weights/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <numeric>

#include "tests/runtime/weights/model_files.h"

namespace weft {
namespace {

using namespace test;
using testing::HasSubstr;
using testing::StartsWith;

class CheckpointTest : public testing::Test {
 protected:
  CheckpointTest() { directory_.write("config.json", "{\"model_type\":\"llama\"}"); }
  std::unique_ptr<Checkpoint> open() { return Checkpoint::open(directory_.path()); }
  std::string refused() {
    return refusal([&] { open(); });
  }
  TempDirectory directory_;
};

std::vector<float> six() { return {1, 2, 3, 4, 5, 6}; }
const std::string kMatrix = safetensors(R"({"m":{"dtype":"F32","shape":[3,2],"data_offsets":[0,24]}})", raw(six()));

std::vector<float> values_of(const Checkpoint& checkpoint, const std::string& name, Range rows, Range columns) {
  std::vector<float> values(static_cast<size_t>(rows.size() * columns.size()));
  checkpoint.read(name, rows, columns, reinterpret_cast<std::byte*>(values.data()));
  return values;
}

TEST_F(CheckpointTest, ReadsRowsOfASingleFile) {
  directory_.write("model.safetensors", kMatrix);
  const auto checkpoint = open();
  EXPECT_FALSE(checkpoint->is_gguf());
  EXPECT_EQ(checkpoint->info("m").shape, (std::vector<int64_t>{3, 2}));
  EXPECT_THAT(values_of(*checkpoint, "m", {1, 3}, {0, 2}), testing::ElementsAre(3, 4, 5, 6));
  EXPECT_THAT(values_of(*checkpoint, "m", {0, 3}, {1, 2}), testing::ElementsAre(2, 4, 6));
  EXPECT_EQ(checkpoint->bytes_read(), 16 + 12);
  EXPECT_EQ(checkpoint->config_json(), "{\"model_type\":\"llama\"}");
  EXPECT_EQ(checkpoint->generation_config_json(), "{}");
  EXPECT_THROW(values_of(*checkpoint, "m", {0, 4}, {0, 2}), CheckError);
  EXPECT_THROW(values_of(*checkpoint, "m", {-1, 1}, {0, 2}), CheckError);
  EXPECT_THROW(values_of(*checkpoint, "m", {0, 1}, {1, 3}), CheckError);
  EXPECT_THAT(refusal([&] { checkpoint->info("n"); }), HasSubstr("has no tensor \"n\""));
}

// Data behind a header whose length is odd starts at an odd address.
TEST_F(CheckpointTest, ReadsTensorsThatTheFileDoesNotAlign) {
  const std::string header =
      R"({"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"h":{"dtype":"BF16","shape":[],"data_offsets":[1,3]},)"
      R"("m":{"dtype":"F32","shape":[3,2],"data_offsets":[3,27]}})";
  for (size_t padding = 0; padding < 4; ++padding) {
    directory_.write("model.safetensors", safetensors(header + std::string(padding, ' '), "\x01\x02\x03" + raw(six())));
    const auto checkpoint = open();
    EXPECT_EQ(values_of(*checkpoint, "m", {0, 3}, {0, 2}), six());
    EXPECT_THAT(checkpoint->read("h"), testing::ElementsAre(std::byte{2}, std::byte{3}));
  }
}

TEST_F(CheckpointTest, NamesAFileThatHasBecomeShorter) {
  directory_.write("model.safetensors", kMatrix);
  const auto checkpoint = open();
  std::filesystem::resize_file(directory_ / "model.safetensors", kMatrix.size() - 4);
  EXPECT_THAT(refusal([&] { checkpoint->read("m"); }), HasSubstr("model.safetensors ends at byte"));
}

TEST_F(CheckpointTest, KeepsTensorsOfOtherTypesAside) {
  directory_.write("model.safetensors",
                   safetensors(R"({"ids":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}})", std::string(8, 'x')));
  const auto checkpoint = open();
  EXPECT_FALSE(checkpoint->has("ids"));
  EXPECT_EQ(checkpoint->unreadable().at("ids"), "I64");
  EXPECT_THAT(refusal([&] { checkpoint->read("ids"); }), HasSubstr("has type I64"));
}

TEST_F(CheckpointTest, NamesATypeThatIsNoWeight) {
  for (const char* type : {"F8_E4M3", "I8", "U8", "I32", "I64", "F64", "BOOL"}) {
    const int bytes = std::string(type) == "I32" ? 4 : std::string(type).ends_with("64") ? 8 : 1;
    directory_.write("model.safetensors", safetensors(cat(R"({"model.layers.0.mlp.up_proj.qweight":{"dtype":")", type,
                                                          R"(","shape":[1],"data_offsets":[0,)", bytes, "]}}"),
                                                      std::string(static_cast<size_t>(bytes), 'x')));
    EXPECT_THAT(refusal([&] { open()->check_types(); }), HasSubstr(cat("\"model.layers.0.mlp.up_proj.qweight\" has type ",
                                                                       type, ", which Weft does not read; weights are")));
  }
}

TEST_F(CheckpointTest, GivesABaseModelItsPrefixAndDropsRopeBuffers) {
  const auto vector = [](const char* name, int at) {
    return cat("\"", name, R"(":{"dtype":"F32","shape":[6],"data_offsets":[)", at * 24, ",", at * 24 + 24, "]}");
  };
  directory_.write("model.safetensors",
                   safetensors("{" + vector("embed_tokens.weight", 0) + "," + vector("layers.0.rotary_emb.cos_cached", 1) +
                                   "," + vector("lm_head.weight", 2) + "," + vector("layers.0.mlp.up_proj.weight", 3) + "}",
                               raw(six()) + raw(six()) + raw(six()) + raw(six())));
  std::vector<std::string> names;
  const auto checkpoint = open();
  for (const auto& [name, info] : checkpoint->tensors()) names.push_back(name);
  EXPECT_THAT(names,
              testing::ElementsAre("lm_head.weight", "model.embed_tokens.weight", "model.layers.0.mlp.up_proj.weight"));
}

TEST_F(CheckpointTest, ReadsShardsThroughTheIndex) {
  directory_.write("a.safetensors", kMatrix);
  directory_.write("b.safetensors", safetensors(R"({"n":{"dtype":"F32","shape":[6],"data_offsets":[0,24]}})", raw(six())));
  directory_.write("model.safetensors.index.json",
                   R"({"metadata":{"total_size":48},"weight_map":{"m":"a.safetensors","n":"b.safetensors"}})");
  const auto checkpoint = open();
  EXPECT_EQ(checkpoint->tensors().size(), 2u);
  EXPECT_EQ(values_of(*checkpoint, "n", {0, 1}, {5, 6}).front(), 6);
}

TEST_F(CheckpointTest, RefusesAnIndexThatLies) {
  directory_.write("a.safetensors", kMatrix);
  const auto index = [&](const std::string& text) {
    directory_.write("model.safetensors.index.json", text);
    return refused();
  };
  EXPECT_THAT(index(R"({"weight_map":{"m":"missing.safetensors"}})"), HasSubstr("cannot open"));
  EXPECT_THAT(index(R"({"weight_map":{"n":"a.safetensors"}})"), HasSubstr("\"n\" is not in a.safetensors"));
  EXPECT_THAT(index(R"({"weight_map":{"m":"../a.safetensors"}})"), HasSubstr("not a file of this directory"));
  EXPECT_THAT(index(R"({"weight_map":{"m":"/etc/passwd"}})"), HasSubstr("not a file of this directory"));
  EXPECT_THAT(index(R"({"weight_map":{"m":".."}})"), HasSubstr("not a file of this directory"));
  EXPECT_THAT(index(R"({"weight_map":{"m":"a.safetensors\u0000"}})"), HasSubstr("not a file of this directory"));
  EXPECT_THAT(index(R"({"weight_map":{"m":""}})"), HasSubstr("not a file of this directory"));
  EXPECT_THAT(index(R"({"weight_map":{"m":7}})"), HasSubstr("not a file name"));
  EXPECT_THAT(index(R"({"weight_map":{"m":"a.safetensors","m":"a.safetensors"}})"), HasSubstr("twice"));
  EXPECT_THAT(index(R"({"weight_map":[]})"), HasSubstr("no object weight_map"));
  EXPECT_THAT(index("{"), HasSubstr("not valid JSON"));
}

TEST_F(CheckpointTest, RefusesPathsWithoutAModel) {
  EXPECT_THAT(refused(), HasSubstr("neither model.safetensors nor"));
  EXPECT_THAT(refusal([&] { Checkpoint::open(directory_ / "nothing"); }), HasSubstr("does not exist"));
  EXPECT_THAT(refusal([&] { Checkpoint::open("/dev/null"); }), HasSubstr("not a regular file"));
  EXPECT_THAT(refusal([&] { Checkpoint::open(directory_.write("x.gguf", "")); }), HasSubstr("is empty"));
  EXPECT_THAT(refusal([&] { Checkpoint::open(directory_.write("x.bin", "PK\x03\x04pickle")); }),
              HasSubstr("not a GGUF file"));
  std::filesystem::remove(directory_ / "config.json");
  EXPECT_THAT(refused(), HasSubstr("no config.json"));
}

TEST_F(CheckpointTest, ReadsGgufWithReversedDimensions) {
  const GgufParts parts{.tensors = {gguf_tensor("t", {2, 3}, 0, 0)}, .data = raw(six()) + std::string(8, 'x')};
  const auto checkpoint = Checkpoint::open(directory_.write("m.gguf", parts.bytes()));
  EXPECT_TRUE(checkpoint->is_gguf());
  EXPECT_EQ(checkpoint->info("t").shape, (std::vector<int64_t>{3, 2}));
  EXPECT_EQ(values_of(*checkpoint, "t", {2, 3}, {0, 1}).front(), 5);
  EXPECT_EQ(checkpoint->generation_config_json(), "{}");
}

}  // namespace
}  // namespace weft
