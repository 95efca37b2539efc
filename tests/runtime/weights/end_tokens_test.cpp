#include "runtime/weights/end_tokens.h"

#include <gmock/gmock.h>

#include "tests/runtime/weights/model_files.h"

namespace weft {
namespace {

using testing::ElementsAre;

std::vector<int64_t> end_ids(const std::vector<std::string>& tokens, std::vector<std::string> pairs = {}) {
  const test::TempDirectory directory;
  test::GgufParts parts;
  parts.pairs = std::move(pairs);
  parts.pairs.push_back(test::gguf_strings("tokenizer.ggml.tokens", tokens));
  const GgufFile file(directory.write("model.gguf", parts.bytes()));
  return end_token_ids(file);
}

std::string id(const std::string& name, uint32_t value) {
  return test::gguf_u32("tokenizer.ggml." + name + "_token_id", value);
}

TEST(EndTokens, KeysComeFirst) {
  EXPECT_THAT(end_ids({"a", "</s>", "b", "<|im_end|>", "c"}, {id("eom", 4), id("eos", 2), id("eot", 0)}),
              ElementsAre(2, 0, 4, 1, 3));
  EXPECT_THAT(end_ids({"<|eot_id|>", "x"}, {id("eos", 0)}), ElementsAre(0));
  EXPECT_THAT(end_ids({"a", "b", "<|start|>"}), ElementsAre());
}

TEST(EndTokens, OfCodeModels) {
  EXPECT_THAT(end_ids({"x", "<|repo_name|>", "<|file_sep|>", "<|fim_pad|>", "<|fim_prefix|>"}), ElementsAre(3, 1, 2));
  EXPECT_THAT(end_ids({"x", "<|file_sep|>"}, {id("fim_sep", 0)}), ElementsAre(0));  // the key counts, not the text
}

TEST(EndTokens, EndOfAPartIsNoEndWhereCallsHaveTheirOwn) {
  EXPECT_THAT(end_ids({"<|end|>"}), ElementsAre(0));
  EXPECT_THAT(end_ids({"<|end|>", "<|return|>", "<|call|>"}), ElementsAre(1, 2));
  EXPECT_THAT(end_ids({"</s>", "<|tool_response>"}), ElementsAre(1));
}

}  // namespace
}  // namespace weft
