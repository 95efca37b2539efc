// tokenizer.json of every supported pipeline against Hugging Face `tokenizers`, on hostile text.
#include "tests/runtime/text/text_golden.h"

namespace weft {
namespace {

class TokenizerGolden : public testing::TestWithParam<const char*> {
 protected:
  std::unique_ptr<Tokenizer> tokenizer_ = Tokenizer::from_hf_directory(text_golden_dir() / GetParam());
  nlohmann::json golden_ = read_golden(std::filesystem::path(GetParam()) / "golden.json");
};

TEST_P(TokenizerGolden, Encodes) { expect_cases(*tokenizer_, golden_); }
TEST_P(TokenizerGolden, DecodesAnyIds) { expect_decodes(*tokenizer_, golden_); }
TEST_P(TokenizerGolden, EncodesMegabytes) { expect_large(*tokenizer_, golden_); }

INSTANTIATE_TEST_SUITE_P(Pipelines, TokenizerGolden,
                         testing::Values("gpt2", "smollm", "llama3", "qwen2", "flags", "llama2", "mistral"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace weft
