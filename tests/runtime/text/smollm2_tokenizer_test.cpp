// The real tokenizer of SmolLM2 from its GGUF file, against Hugging Face `tokenizers` (make_text_goldens.py
// --smollm2).
#include "launcher/open_tokenizer.h"
#include "runtime/text/chat_encoder.h"
#include "tests/runtime/text/text_golden.h"

namespace weft {
namespace {

class SmolLM2Tokenizer : public testing::Test {
 protected:
  void SetUp() override {
    const char* path = std::getenv("WEFT_SMOLLM2");
    if (path == nullptr || !std::filesystem::exists(path)) GTEST_SKIP() << "WEFT_SMOLLM2 does not name the model file";
    tokenizer_ = open_tokenizer(path);
  }
  std::unique_ptr<Tokenizer> tokenizer_;
};

TEST_F(SmolLM2Tokenizer, Encodes) { expect_cases(*tokenizer_, read_golden("smollm2.json")); }
TEST_F(SmolLM2Tokenizer, DecodesAnyIds) { expect_decodes(*tokenizer_, read_golden("smollm2.json")); }
TEST_F(SmolLM2Tokenizer, EncodesMegabytes) { expect_large(*tokenizer_, read_golden("smollm2.json")); }

TEST_F(SmolLM2Tokenizer, NamesItsTokens) {
  EXPECT_EQ(tokenizer_->vocab_size(), 49152);
  EXPECT_EQ(tokenizer_->bos_id(), 1);
  EXPECT_EQ(tokenizer_->eos_id(), 2);
  EXPECT_EQ(tokenizer_->encode("", true, true), Ids());  // adds nothing
}

TEST_F(SmolLM2Tokenizer, WritesChatPrompts) {
  const auto [prompt, ids] = ChatEncoder(*tokenizer_).encode(chat_of("Hi"));
  EXPECT_EQ(prompt,
            "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
            "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(ids.front(), 1);
  EXPECT_EQ(tokenizer_->decode(ids, false), prompt);
}

}  // namespace
}  // namespace weft
