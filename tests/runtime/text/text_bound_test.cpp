#include <gtest/gtest.h>

#include "kernels/core/check.h"
#include "runtime/text/byte_alphabet.h"
#include "runtime/text/tokenizer.h"
#include "runtime/text/tokenizer_parts.h"
#include "tests/support/source_dir.h"

namespace weft {
namespace {

std::unique_ptr<Tokenizer> open(const std::string& name) {
  return Tokenizer::from_hf_directory(source_dir() / "tests/golden/text" / name);
}

std::string repeat(const std::string& text, int n) {
  std::string out;
  for (int i = 0; i < n; ++i) out += text;
  return out;
}

bool refused(const Tokenizer& tokenizer, const std::string& text, int64_t max_tokens) {
  try {
    tokenizer.check_length(text, max_tokens);
    return false;
  } catch (const InputError& e) {
    EXPECT_NE(std::string(e.what()).find(std::to_string(text.size())), std::string::npos) << e.what();
    return true;
  }
}

// The texts with the fewest tokens there are: long tokens, and what the normalizer shortens most.
TEST(TextBound, NothingThatFitsIsRefusedAndTenTimesAsMuchIs) {
  for (const char* name : {"gpt2", "llama2", "llama3", "mistral", "qwen2", "smollm"}) {
    SCOPED_TRACE(name);
    const auto tokenizer = open(name);
    std::string longest;
    for (int32_t id = 0; id < tokenizer->vocab_size(); ++id)
      if (tokenizer->token_bytes(id).size() > longest.size()) longest = tokenizer->token_bytes(id);
    for (const std::string& unit :
         {longest, std::string("\u1fbe\u0308\u0341"), std::string("\u212a"), std::string(" "), std::string("\u2581")}) {
      const std::string text = repeat(unit, 200);
      const auto tokens = static_cast<int64_t>(tokenizer->encode(text, false, true).size());
      EXPECT_FALSE(refused(*tokenizer, text, tokens)) << unit << " " << tokens;
    }
    EXPECT_TRUE(refused(*tokenizer, std::string(15 << 20, 'a'), 8192));
    EXPECT_TRUE(refused(*tokenizer, repeat(longest, 3000), 200));
  }
}

// A vocabulary of bytes without U+0004, which is dropped.
TEST(TextBound, DroppedCharactersDoNotCount) {
  Vocabulary vocabulary;
  for (int byte = 0; byte < 256; ++byte) {
    std::string piece;
    append_byte_alphabet(piece, std::string(1, static_cast<char>(byte)));
    if (byte != 4) vocabulary.add(piece, byte);
  }
  const Tokenizer tokenizer({.pre_tokenizer = PreTokenizer({ByteAlphabetStep{}}), .bpe = Bpe(vocabulary, MergeTable(), {})});
  const std::string text = repeat("a" + std::string(1000, 4), 100);
  ASSERT_EQ(tokenizer.encode(text, false, true).size(), 100u);
  EXPECT_FALSE(refused(tokenizer, text, 100));
  EXPECT_TRUE(refused(tokenizer, repeat("abcde", 100), 100));
}

// Its added tokens take the white space beside them, however much.
TEST(TextBound, ATokenizerThatSwallowsTextRefusesNothing) {
  const auto tokenizer = open("flags");
  const std::string text = "[LEFT]" + std::string(15 << 20, ' ');
  EXPECT_FALSE(refused(*tokenizer, text, 1));
}

}  // namespace
}  // namespace weft
