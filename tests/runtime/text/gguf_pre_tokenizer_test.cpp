// How the words of a GGUF file's pre-tokenizer are cut, by its name.
#include "runtime/text/gguf_pre_tokenizer.h"

#include "kernels/core/check.h"
#include "runtime/text/pre_tokenizer.h"
#include "tests/runtime/text/text_golden.h"

namespace weft {
namespace {

using testing::HasSubstr;

// The words with "|" between them.
std::string words(const std::string& name, const std::string& text) {
  std::vector<PreTokenizerStep> steps;
  for (const std::string& pattern : gguf_pre_tokenizer(name).patterns) steps.push_back(SplitStep{Regex(pattern)});
  const Words split = PreTokenizer(std::move(steps)).split(text, true);
  std::string joined;
  for (const auto& range : split.ranges) joined += cat(joined.empty() ? "" : "|", split.at(range));
  return joined;
}

TEST(GgufPreTokenizer, UnnamedCutsNumbersIntoThrees) {
  for (const char* name : {"", "default"}) {
    EXPECT_EQ(words(name, "12345"), "123|45");
    EXPECT_EQ(words(name, "1234"), "123|4");
    EXPECT_EQ(words(name, "a!!!b 12"), "a|!!!|b| |12");
    EXPECT_EQ(words(name, "a+b it's"), "a|+|b| it|'|s");
  }
}

TEST(GgufPreTokenizer, EachFamilyCutsInItsWay) {
  const std::string text = "I'LL pay12345x  HTTPWord/";
  EXPECT_EQ(words("gpt-2", text), "I|'|LL| pay|12345|x| | HTTPWord|/");
  EXPECT_EQ(words("starcoder", text), "I|'|LL| pay|1|2|3|4|5|x| | HTTPWord|/");
  EXPECT_EQ(words("falcon3", text), "I|'LL| pay|123|45|x| | HTTPWord|/");
  EXPECT_EQ(words("smaug-bpe", text), "I|'LL| pay|123|45|x| | HTTPWord|/");
  EXPECT_EQ(words("qwen2", text), "I|'LL| pay|1|2|3|4|5|x| | HTTPWord|/");
  EXPECT_EQ(words("tekken", text), "I|'LL| pay|1|2|3|4|5|x| | HTTPWord|/");
  EXPECT_EQ(words("gpt-4o", text), "I'LL| pay|123|45|x| | HTTPWord|/");
  EXPECT_EQ(words("llama4", "camelCase"), "camel|Case");
  EXPECT_EQ(words("tekken", "camelCase"), "camel|Case");
  EXPECT_EQ(words("deepseek-llm", text), "I|'|LL| pay|12345|x| | HTTPWord|/");
  EXPECT_EQ(words("deepseek-coder", text), "I|'|LL| pay|1|2|3|4|5|x| | HTTPWord|/");
  EXPECT_EQ(words("deepseek-v3", text), "I|'LL| pay|123|45|x| | HTTPWord|/");
  EXPECT_EQ(words("superbpe", "pay 1234567, 12"), "pay |1|234|567|, |12");
  EXPECT_EQ(words("seed-coder", "a!!\n\n12"), "a|!!|\n\n|1|2");
  EXPECT_EQ(words("bailingmoe", "a!!\n\n12"), "a|!!\n\n|1|2");
  EXPECT_EQ(words("kimi-k2", "中文abC"), "中文|ab|C");
  EXPECT_EQ(words("qwen35", "e\u0301a"), "e\u0301a");
  EXPECT_EQ(words("qwen2", "e\u0301a"), "e|\u0301a");
  EXPECT_EQ(words("bloom", "a, b"), "a|,| b");
  EXPECT_EQ(words("falcon", "a+b 12345"), "a|+|b| |123|45");
  EXPECT_EQ(words("deepseek-llm", "µé end\n  中文か"), "µé| end|\n|  |中文か");
}

TEST(GgufPreTokenizer, NamesDecideMoreThanPatterns) {
  for (const char* name : {"llama-bpe", "llama3", "llama-v3", "falcon3", "tekken"}) {
    EXPECT_TRUE(gguf_pre_tokenizer(name).ignore_merges) << name;
    EXPECT_TRUE(gguf_pre_tokenizer(name).add_bos) << name;
  }
  for (const char* name : {"smaug-bpe", "gpt-4o", "deepseek-v3", "qwen2", "default"}) {
    EXPECT_FALSE(gguf_pre_tokenizer(name).ignore_merges) << name;
    EXPECT_FALSE(gguf_pre_tokenizer(name).add_bos) << name;
  }
  EXPECT_TRUE(gguf_pre_tokenizer("qwen2").nfc);
}

TEST(GgufPreTokenizer, AnUnknownNameIsRefused) {
  try {
    gguf_pre_tokenizer("nonesuch");
    FAIL() << "accepted";
  } catch (const InputError& error) {
    EXPECT_THAT(
        error.what(),
        HasSubstr("GGUF pre-tokenizer 'nonesuch' (tokenizer.ggml.pre) is not supported; supported are gpt-2, phi-2,"));
  }
}

}  // namespace
}  // namespace weft
