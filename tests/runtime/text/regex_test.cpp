// Regular expressions against Oniguruma, as Hugging Face `tokenizers` runs it (make_regex_golden.py).
#include "runtime/text/regex.h"

#include "kernels/core/check.h"
#include "runtime/text/pre_tokenizer.h"
#include "tests/runtime/text/text_golden.h"

namespace weft {
namespace {

using testing::HasSubstr;

std::vector<std::string> words(const std::string& pattern, const std::string& text, SplitBehavior behavior) {
  std::vector<PreTokenizerStep> steps;
  steps.push_back(SplitStep{Regex(pattern), behavior});
  const Words split = PreTokenizer(std::move(steps)).split(text, true);
  std::vector<std::string> words;
  for (const auto& range : split.ranges) words.emplace_back(split.at(range));
  return words;
}

std::string hash_words(const std::string& pattern, const std::vector<std::string>& texts) {
  std::string all;
  for (const auto behavior : {SplitBehavior::isolated, SplitBehavior::removed}) {
    for (const std::string& text : texts) {
      for (const std::string& word : words(pattern, text, behavior)) all += word + '\0';
    }
  }
  const auto* bytes = reinterpret_cast<const unsigned char*>(all.data());
  return hash_ids(Ids(bytes, bytes + all.size()));
}

std::string refusal(const std::string& pattern) {
  try {
    Regex{pattern};
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(Regex, CutsAsOnigurumaDoes) {
  const nlohmann::json golden = read_golden("regex.json");
  const std::vector<std::string> texts = golden.at("texts");
  int refused = 0;
  for (const auto& entry : golden.at("cases")) {
    const std::string pattern = entry.at("pattern");
    if (refusal(pattern) == "accepted") {
      EXPECT_EQ(hash_words(pattern, texts), entry.at("hash")) << pattern;
    } else {
      EXPECT_THAT(refusal(pattern), HasSubstr("where case is ignored")) << pattern;
      ++refused;
    }
  }
  EXPECT_LE(refused, 16);  // of random ones
}

TEST(Regex, WhatHasNoCounterpartIsNamed) {
  for (const auto& [pattern, reason] : {std::pair(R"(\X)", R"(\X is not supported)"),
                                        {R"(a\y)", R"(\y is)"},
                                        {R"((a)\1)", R"(\1 is)"},
                                        {R"((?<n>a)\k<n>)", R"(\k is)"},
                                        {R"(\g<0>)", R"(\g is)"},
                                        {R"(\Qa.b\E)", R"(\Q is)"},
                                        {R"(\pL)", R"(\p without braces)"},
                                        {R"(\p{Script=Han})", "the property 'Script=Han'"},
                                        {R"(\p{Nope})", "the property 'Nope'"},
                                        {R"([\R])", R"(\R in a class)"},
                                        {R"([a&&])", "an empty class"},
                                        {R"([z-a])", "a range whose end comes before its begin"},
                                        {R"([a-\d])", "a range that ends in a set"},
                                        {R"((?~ab))", "the group '(?~'"},
                                        {R"((?(1)a|b))", "the group '(?('"},
                                        {R"((?{x}))", "the group '(?{'"},
                                        {R"((*FAIL))", "a callout (*...)"},
                                        {R"((?i:ss))", "a text that matches another length when case is ignored"},
                                        {R"((?i)[ß])", "a class with a character that equals several others"},
                                        {R"((?i)[\p{Lu}])", "a class with a set of letters where case is ignored"},
                                        {R"(\xE4)", "a byte above 7F"},
                                        {R"(\x{110000})", "a number of no character"},
                                        {R"(a{1,100000})", "interval"},
                                        {R"((?<=ab?)x)", "lookbehind assertion is not fixed length"},
                                        {R"(*a)", "a repeat of nothing"},
                                        {R"((a)", "a '(' without ')'"},
                                        {R"(a))", "a ')' without '('"},
                                        {R"([a)", "ends in the middle"},
                                        {"\\", "ends in the middle"}}) {
    EXPECT_THAT(refusal(pattern), HasSubstr(reason)) << pattern;
    EXPECT_THAT(refusal(pattern), HasSubstr("the tokenizer's regular expression '")) << pattern;
  }
  EXPECT_THAT(refusal(std::string(100'000, '(')), HasSubstr("nesting this deep"));
  EXPECT_THAT(refusal(std::string(100'000, '[')), HasSubstr("nesting this deep"));
}

TEST(Regex, HostileOnesGiveUp) {
  try {
    words(R"((a*)*b|.)", std::string(200'000, 'a'), SplitBehavior::isolated);
    FAIL() << "accepted";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("gave up on this text at byte"));
  }
}

}  // namespace
}  // namespace weft
