#include "runtime/text/answer_text.h"

#include "kernels/core/check.h"
#include "runtime/text/utf8.h"
#include "tests/runtime/text/text_golden.h"

namespace weft {
namespace {

TEST(Detokenizer, NeverEmitsPartOfACharacter) {
  for (const char* name : {"gpt2", "llama2"}) {
    const auto tokenizer = Tokenizer::from_hf_directory(text_golden_dir() / name);
    const std::string text = "x😀中é👨‍👩‍👧‍👦 end";
    Detokenizer detokenizer(*tokenizer, false);
    std::string streamed;
    int empty = 0;
    for (const int32_t id : tokenizer->encode(text, false, true)) {
      const std::string piece = detokenizer.push(id);
      EXPECT_EQ(find_invalid_utf8(piece), std::string::npos);
      empty += piece.empty();
      streamed += piece;
    }
    EXPECT_EQ(detokenizer.flush(), "");
    EXPECT_EQ(streamed, text);
    EXPECT_GT(empty, 0) << "the text should need several tokens for one character";
  }
}

// The text of the ids from `from` on, behind those before.
std::string text_behind(const Tokenizer& tokenizer, const Ids& ids, size_t from) {
  Detokenizer detokenizer(tokenizer, true, std::span(ids).first(from));
  std::string text;
  for (const int32_t id : std::span(ids).subspan(from)) text += detokenizer.push(id);
  return text + detokenizer.flush();
}

TEST(Detokenizer, OnlyAWholeTextLosesItsFirstSpace) {
  for (const char* name : {"llama2", "mistral"}) {
    const auto tokenizer = Tokenizer::from_hf_directory(text_golden_dir() / name);
    const Ids ids = tokenizer->encode("the end, é😀 and x", true, true);
    const std::string whole = tokenizer->decode(ids, true);
    EXPECT_EQ(text_behind(*tokenizer, ids, 0), whole);
    EXPECT_EQ(text_behind(*tokenizer, ids, 1), whole);  // BOS has no text
    for (size_t from = 2; from < ids.size(); ++from) {
      const std::string before = tokenizer->decode(Ids(ids.begin(), ids.begin() + from), true);
      if (before.ends_with("\uFFFD")) continue;
      EXPECT_EQ(before + text_behind(*tokenizer, ids, from), whole) << name << " from " << from;
    }
  }
}

TEST(Detokenizer, FinishesTheCharacterThatWasBegunBefore) {
  const auto tokenizer = Tokenizer::from_hf_directory(text_golden_dir() / "llama2");
  Ids ids;
  for (const char* piece : {"<s>", "▁a", "<0xF0>", "<0x9F>", "</s>", "<0x98>", "<0x80>", "▁a"}) {
    ids.push_back(*tokenizer->token_to_id(piece));
  }
  for (const size_t from : {2, 3, 4, 5, 6}) EXPECT_EQ(text_behind(*tokenizer, ids, from), "😀 a") << from;
  EXPECT_EQ(text_behind(*tokenizer, ids, 7), " a");
}

TEST(Detokenizer, LeftoversBecomeReplacementCharacters) {
  const auto tokenizer = Tokenizer::from_hf_directory(text_golden_dir() / "llama2");
  Detokenizer detokenizer(*tokenizer, false);
  const auto byte = [&](const char* piece) { return *tokenizer->token_to_id(piece); };
  EXPECT_EQ(detokenizer.push(byte("<0xF0>")), "");
  EXPECT_EQ(detokenizer.push(byte("<0x9F>")), "");
  EXPECT_EQ(detokenizer.flush(), "\uFFFD");
  EXPECT_EQ(detokenizer.push(byte("<0xF0>")), "");
  EXPECT_EQ(detokenizer.push(byte("<0x41>")),
            "\uFFFD"
            "A");
}

TEST(Detokenizer, RandomIdsStreamToWhatDecodeGives) {
  const auto tokenizer = Tokenizer::from_hf_directory(text_golden_dir() / "gpt2");
  const nlohmann::json golden = read_golden("gpt2/golden.json");
  ASSERT_GT(golden.at("decodes").size(), 100u);
  for (const auto& entry : golden.at("decodes")) {
    EXPECT_EQ(stream(*tokenizer, entry.at("ids").get<Ids>(), false), entry.at("text").get<std::string>());
  }
}

// Feeds the text in pieces of every size: the result must not depend on how the text is cut.
void expect_stop(std::vector<std::string> stops, const std::string& text, const std::string& shown,
                 const std::string& matched) {
  for (size_t step = 1; step <= text.size() + 1; ++step) {
    StopStrings stop(stops);
    std::string out;
    for (size_t at = 0; at < text.size(); at += step) out += stop.push(text.substr(at, step));
    EXPECT_EQ(stop.stopped(), !matched.empty());
    EXPECT_EQ(stop.matched(), matched);
    out += stop.flush();
    EXPECT_EQ(out, shown) << "step " << step;
  }
}

TEST(StopStrings, FindsTheFirstToComplete) {
  expect_stop({"END"}, "some text END more", "some text ", "END");
  expect_stop({"END"}, "no stop EN", "no stop EN", "");
  expect_stop({"aab"}, "aaaab", "aa", "aab");
  expect_stop({"abab"}, "abaabab", "aba", "abab");
  expect_stop({"bc", "abcd"}, "xabcd", "xa", "bc");
  expect_stop({"bc", "abc"}, "xabcd", "x", "abc");
  expect_stop({"\n\n", "User:"}, "hi\nUser: x\n\n", "hi\n", "User:");
  expect_stop({"é😀"}, "xé😁é😀y", "xé😁", "é😀");
  expect_stop({}, "text", "text", "");
}

TEST(StopStrings, HoldsBackOnlyWhatCouldBecomeAStop) {
  StopStrings stop({"STOP"});
  EXPECT_EQ(stop.push("xS"), "x");
  EXPECT_EQ(stop.push("T"), "");
  EXPECT_EQ(stop.push("y"), "STy");
  EXPECT_EQ(stop.push("ST"), "");
  EXPECT_EQ(stop.push("OP and more"), "");
  EXPECT_TRUE(stop.stopped());
  EXPECT_EQ(stop.push("ignored"), "");
  EXPECT_EQ(stop.flush(), "");
}

TEST(StopStrings, WhatNoTextCanHoldIsRefused) {
  EXPECT_THROW(StopStrings({"a", ""}), InputError);
  EXPECT_THROW(StopStrings({"a\xff"}), InputError);
}

// What is shown of "ab<|eot|>c", each character and the special token a piece of its own.
std::string shown_until(const std::string& stop) {
  StopStrings stops({stop});
  std::string out = stops.push("a");
  out += stops.push("b");
  out += stops.push_special("<|eot|>");
  out += stops.push("c");
  out += stops.flush();
  return cat(out, stops.stopped() ? "|" : "");
}

TEST(StopStrings, ASpecialTokenCountsAsAWhole) {
  EXPECT_EQ(shown_until("<|eot|>"), "ab|");
  EXPECT_EQ(shown_until("b<|eot|>"), "a|");
  EXPECT_EQ(shown_until("ab<|eot|>c"), "|");
  EXPECT_EQ(shown_until("<|eot|>c"), "ab|");
  EXPECT_EQ(shown_until("bc"), "a|");  // as a reader sees it
  EXPECT_EQ(shown_until("eot"), "abc");
  EXPECT_EQ(shown_until("|>c"), "abc");
  EXPECT_EQ(shown_until("b<|eot"), "abc");
  EXPECT_EQ(shown_until("<|eot|>d"), "abc");
}

}  // namespace
}  // namespace weft
