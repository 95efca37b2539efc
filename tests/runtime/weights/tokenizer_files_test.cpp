// Tokenizers from tokenizer.json to GGUF and back: the same ids, or a refusal that names what GGUF cannot hold.
#include "runtime/weights/tokenizer_files.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "runtime/text/tokenizer.h"
#include "tests/runtime/weights/model_files.h"
#include "tests/support/source_dir.h"

namespace weft {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class TokenizerFiles : public testing::Test {
 protected:
  static std::string golden(const std::string& name) { return (source_dir() / "tests/golden/text" / name).string(); }

  // The file that a directory's tokenizer becomes.
  std::string to_gguf(const std::string& directory, int64_t vocab_size) {
    const std::string path = directory_ / "out.gguf";
    GgufWriter writer(path);
    EXPECT_TRUE(put_tokenizer(writer, directory, vocab_size));
    writer.finish();
    return path;
  }

  // How the tokenizer of llama3, changed, is refused.
  std::string refused(const std::function<void(json&)>& change) {
    json tokenizer = json::parse(test::read_file(golden("llama3") + "/tokenizer.json"));
    change(tokenizer);
    directory_.write("tokenizer.json", tokenizer.dump());
    return test::refusal([&] { to_gguf(directory_.path(), 2000); });
  }

  test::TempDirectory directory_;
};

TEST_F(TokenizerFiles, ThereAndBackGiveTheSameIds) {
  for (const auto& [name, pre] :
       {std::pair("gpt2", "gpt-2"), {"smollm", "smollm"}, {"llama3", "llama-bpe"}, {"qwen2", "qwen2"}}) {
    SCOPED_TRACE(name);
    const test::TempDirectory source;
    source.write("tokenizer.json", test::read_file(golden(name) + "/tokenizer.json"));
    if (name == std::string("llama3")) source.write("tokenizer_config.json", R"({"bos_token": "<|begin_of_text|>"})");
    const GgufFile file(to_gguf(source.path(), 1600));
    EXPECT_EQ(file.get_string("tokenizer.ggml.pre"), pre);
    ASSERT_TRUE(write_tokenizer_files(file, directory_.path()));
    const auto back = Tokenizer::from_hf_directory(directory_.path());
    const json cases = json::parse(test::read_file(golden(name) + "/golden.json")).at("cases");
    for (const auto& entry : cases) {
      const std::string text = entry.at("text");
      EXPECT_EQ(back->encode(text, false, true), entry.at("ids").get<std::vector<int32_t>>()) << text;
    }
  }
}

TEST_F(TokenizerFiles, TokensOfTheConfigAreWritten) {
  std::filesystem::copy(golden("gpt2") + "/tokenizer.json", directory_ / "tokenizer.json");
  directory_.write("tokenizer_config.json", R"({"eos_token": "<|im_end|>", "additional_special_tokens": ["<|im_start|>"]})");
  const GgufFile file(to_gguf(directory_.path(), 1510));
  EXPECT_EQ(file.get_int("tokenizer.ggml.eos_token_id"), 1500);
  EXPECT_EQ(file.get_string_array("tokenizer.ggml.tokens")[1501], "<|im_start|>");
  EXPECT_EQ(file.get_int_array("tokenizer.ggml.token_type")[1501], 3);
}

TEST_F(TokenizerFiles, ChatTemplatesGoThereAndBackByName) {
  const std::map<std::string, std::string> all = {{"default", "d"}, {"rag", "r"}, {"tool_use", "t"}};
  for (const auto& templates : {all, {{"default", "d"}}, {{"rag", "r"}}, {}}) {
    const test::TempDirectory source;
    source.write("tokenizer.json", test::read_file(golden("gpt2") + "/tokenizer.json"));
    source.write("tokenizer_config.json", json({{"chat_template", templates}}).dump());
    ASSERT_TRUE(write_tokenizer_files(GgufFile(to_gguf(source.path(), 1600)), directory_.path()));
    EXPECT_EQ(Tokenizer::from_hf_directory(directory_.path())->chat_format().templates, templates);
  }
}

TEST_F(TokenizerFiles, WhatGgufCannotHoldIsNamed) {
  const auto first_added = [](const char* flag) { return [flag](json& j) { j["added_tokens"][0][flag] = true; }; };
  EXPECT_THAT(refused([](json& j) {
                j["normalizer"] = {{"type", "NFC"}};
              }),
              HasSubstr("no name of GGUF means this pre-tokenizer with the normalizer NFC and with ignore_merges"));
  EXPECT_THAT(refused([](json& j) {
                j["normalizer"] = {{"type", "Prepend"}, {"prepend", "x"}};
              }),
              HasSubstr("the normalizer is "));
  EXPECT_THAT(refused([](json& j) { j["pre_tokenizer"]["pretokenizers"][0]["behavior"] = "Removed"; }),
              HasSubstr("the pre-tokenizer is "));
  EXPECT_THAT(refused([](json& j) { j["pre_tokenizer"]["pretokenizers"][1]["add_prefix_space"] = true; }),
              HasSubstr("the pre-tokenizer is "));
  EXPECT_THAT(refused([](json& j) { j["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = "[a-z]+|."; }),
              HasSubstr("no name of GGUF means this pre-tokenizer"));
  EXPECT_THAT(refused([](json& j) { j["model"]["byte_fallback"] = true; }), HasSubstr("falls back to bytes"));
  EXPECT_THAT(refused([](json& j) { j["model"]["dropout"] = 0.1; }), HasSubstr("'dropout'"));
  EXPECT_THAT(refused(first_added("lstrip")), HasSubstr("has the flag lstrip"));
  EXPECT_THAT(refused(first_added("rstrip")), HasSubstr("has the flag rstrip"));
  EXPECT_THAT(refused(first_added("single_word")), HasSubstr("has the flag single_word"));
  EXPECT_THAT(refused([](json&) {}), HasSubstr("the post-processor adds \"<|begin_of_text|>\", which is not the bos token"));
  EXPECT_THAT(refused([](json& j) {
                j["post_processor"] = nullptr;
                j["model"]["merges"][0] = {"a b", "c"};
              }),
              HasSubstr("merge 'a b' + 'c'"));
}

TEST_F(TokenizerFiles, OtherKindsOfTokenizersAreRefused) {
  for (const auto& [name, reason] : {std::pair("llama2", "only byte-level BPE is converted"),
                                     {"mistral", "only byte-level BPE is converted"},
                                     {"flags", "GGUF cannot say so"}}) {
    EXPECT_THAT(test::refusal([&] { to_gguf(golden(name), 3000); }), HasSubstr(reason)) << name;
  }
}

}  // namespace
}  // namespace weft
