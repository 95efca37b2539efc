#include "runtime/text/detokenizer.h"

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

TEST(StopStrings, EmptyOnesAreRefused) { EXPECT_THROW(StopStrings({"a", ""}), InputError); }

}  // namespace
}  // namespace weft
