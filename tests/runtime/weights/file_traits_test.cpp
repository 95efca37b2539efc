#include "runtime/weights/file_traits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>

#include "runtime/weights/gguf_writer.h"
#include "runtime/weights/safetensors.h"
#include "tests/runtime/weights/model_files.h"

namespace weft::test {
namespace {

namespace fs = std::filesystem;

// Tensors of `elements` f32 each, all zero.
void write_weights(const std::string& path, const std::string& prefix, int64_t tensors, int64_t elements) {
  std::vector<std::pair<std::string, TensorInfo>> header;
  for (int64_t i = 0; i < tensors; ++i) header.push_back({cat(prefix, i), {DType::f32, {elements}}});
  SafetensorsWriter writer(path, header);
  const std::vector<float> zeros(static_cast<size_t>(elements));
  for (const auto& [name, info] : header) writer.write(name, zeros.data(), zeros.size() * sizeof(float));
  writer.finish();
}

void write_model(const TempDirectory& directory, int64_t tensors, int64_t elements) {
  directory.write("config.json", R"({"model_type": "llama"})");
  write_weights(directory / "model.safetensors", "t", tensors, elements);
}

Traits traits_of(const TempDirectory& directory) { return file_traits(*Checkpoint::open(directory.path())); }
Traits text_traits_of(const TempDirectory& directory) { return text_traits(directory.path()); }

void put(const std::string& path, int64_t at, char byte) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(at);
  file.put(byte);
}

// The traits in which two lists differ, as "NAME VALUE" of the second.
std::vector<std::string> changes(const Traits& before, const Traits& after) {
  EXPECT_EQ(before.size(), after.size());
  std::vector<std::string> changed;
  for (size_t i = 0; i < std::min(before.size(), after.size()); ++i)
    if (before[i].second != after[i].second)
      changed.push_back(fs::path(after[i].first).filename().string() + " " + after[i].second);
  return changed;
}

TEST(FileTraits, AreThoseOfTheFilesAndOfNothingElse) {
  const TempDirectory one, two;
  write_model(one, 3, 1000);
  write_model(two, 3, 1000);
  EXPECT_THAT(changes(traits_of(one), traits_of(two)), testing::IsEmpty());
  two.write("README.md", "not read");
  EXPECT_THAT(changes(traits_of(one), traits_of(two)), testing::IsEmpty());
}

// A whole tensor that differs is seen wherever it lies, and so is the end of the file.
TEST(FileTraits, ShowOtherData) {
  const TempDirectory directory;
  write_model(directory, 40, 50'000);
  const Traits before = traits_of(directory);
  const std::string path = directory / "model.safetensors";
  const auto size = static_cast<int64_t>(fs::file_size(path));
  for (const int64_t tensor : {0, 1, 17, 39}) {
    const int64_t begin = size - (40 - tensor) * 200'000;
    for (const int64_t at : {begin, begin + 199'999}) {
      put(path, at, 1);
      EXPECT_THAT(changes(before, traits_of(directory)),
                  testing::ElementsAre(testing::StartsWith("model.safetensors data of XXH3")))
          << at;
      put(path, at, 0);
    }
  }
  EXPECT_THAT(changes(before, traits_of(directory)), testing::IsEmpty());
}

TEST(FileTraits, TellSizeHeaderAndDataApart) {
  const TempDirectory one, two, three;
  write_model(one, 2, 1000);
  write_model(two, 2, 1001);
  write_model(three, 2, 1000);
  EXPECT_THAT(changes(traits_of(one), traits_of(two)),
              testing::Contains(testing::MatchesRegex("model.safetensors [0-9]+ bytes")));
  std::string bytes = read_file(three / "model.safetensors");
  bytes.replace(bytes.find("\"t1\""), 4, "\"t2\"");
  three.write("model.safetensors", bytes);
  EXPECT_THAT(changes(traits_of(one), traits_of(three)),
              testing::ElementsAre(testing::StartsWith("model.safetensors a header of XXH3")));
}

TEST(FileTraits, CoverEveryFileThatSteersAnswers) {
  const TempDirectory directory;
  write_model(directory, 2, 10);
  fs::create_directory(directory / "additional_chat_templates");
  for (const char* name :
       {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
        "added_tokens.json", "chat_template.jinja", "chat_template.json", "additional_chat_templates/tool_use.jinja"}) {
    directory.write(name, std::string(100'000, ' '));
    const Traits before = traits_of(directory);
    put(directory / name, 50'000, 'x');
    const std::string file = fs::path(name).filename();
    EXPECT_THAT(changes(before, traits_of(directory)),
                testing::ElementsAre(testing::StartsWith(file + " contents of XXH3")));
  }
  const Traits before = traits_of(directory);
  fs::remove(directory / "added_tokens.json");
  EXPECT_THAT(traits_of(directory), testing::Contains(testing::Pair(testing::_, "no such file")));
  EXPECT_NE(before.size(), traits_of(directory).size());
}

TEST(FileTraits, OfTextAreThoseOfTheTokenizersFiles) {
  const TempDirectory directory;
  write_model(directory, 2, 10);
  directory.write("tokenizer.json", "{}");
  const Traits before = text_traits_of(directory);
  directory.write("config.json", R"({"model_type": "qwen3"})");
  EXPECT_THAT(changes(before, text_traits_of(directory)), testing::IsEmpty());
  directory.write("tokenizer.json", "[]");
  EXPECT_THAT(changes(before, text_traits_of(directory)),
              testing::ElementsAre(testing::StartsWith("tokenizer.json contents of XXH3")));

  const auto traits_of_gguf = [&](const char* words, float data) {
    GgufWriter file(directory / "model.gguf");
    file.put_string("general.name", words);
    file.add_tensor("t", {DType::f32, {1}});
    file.write("t", &data, sizeof data);
    file.finish();
    return text_traits(directory / "model.gguf");
  };
  const Traits of_gguf = traits_of_gguf("abc", 1);
  EXPECT_EQ(of_gguf, traits_of_gguf("abc", 2));
  EXPECT_NE(of_gguf, traits_of_gguf("abd", 1));
}

// 100 files of 100 tensors: what a model of hundreds of billions of parameters has.
TEST(FileTraits, TakeNoTime) {
  const TempDirectory directory;
  directory.write("config.json", "{}");
  std::string map;
  for (int i = 0; i < 100; ++i) {
    const std::string shard = cat("model-", i, ".safetensors");
    write_weights(directory / shard, cat("t", i, "."), 100, 1000);
    for (int t = 0; t < 100; ++t) map += cat(map.empty() ? "" : ", ", "\"t", i, ".", t, "\": \"", shard, "\"");
  }
  directory.write("model.safetensors.index.json", "{\"weight_map\": {" + map + "}}");
  const auto checkpoint = Checkpoint::open(directory.path());
  ASSERT_EQ(checkpoint->files().size(), 100u);
  const std::clock_t begin = std::clock();  // of the process: the machine may be busy with other things
  const size_t traits = file_traits(*checkpoint).size();
  const double ms = 1e3 * static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  EXPECT_GE(traits, 300u);
  EXPECT_LT(ms, 200) << "several times what it takes on a slow machine";
  RecordProperty("us", static_cast<int>(ms * 1000));
}

}  // namespace
}  // namespace weft::test
