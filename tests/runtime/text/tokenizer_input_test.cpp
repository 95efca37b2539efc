// What users and files can get wrong, and the small accessors.
#include "kernels/core/check.h"
#include "tests/runtime/text/hf_directory.h"

namespace weft {
namespace {

using testing::HasSubstr;

template <class F>
std::string message_of(F call) {
  try {
    call();
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(TokenizerInput, InvalidUtf8IsRefusedWithItsPlace) {
  const auto tokenizer = Tokenizer::from_hf_directory(text_golden_dir() / "gpt2");
  const auto message = [&](std::string text) { return message_of([&] { tokenizer->encode(text, true, true); }); };
  EXPECT_THAT(message("abc\xff"), HasSubstr("byte 3 "));
  EXPECT_THAT(message("\x80"), HasSubstr("byte 0 "));
  EXPECT_THAT(message("\xc3\xa9\xc3"), HasSubstr("byte 2 "));        // cut off
  EXPECT_THAT(message("x\xed\xa0\x80"), HasSubstr("byte 1 "));       // surrogate
  EXPECT_THAT(message("x\xc0\xaf"), HasSubstr("byte 1 "));           // overlong
  EXPECT_THAT(message("x\xe0\x80\xaf"), HasSubstr("byte 1 "));       // overlong
  EXPECT_THAT(message("xy\xf4\x90\x80\x80"), HasSubstr("byte 2 "));  // above U+10FFFF
  EXPECT_EQ(message(std::string("\0\0", 2)), "accepted");
}

// A model's vocabulary may be padded beyond its tokenizer's: such an id gives no text.
TEST(TokenizerInput, IdsWithoutATokenGiveNoText) {
  const auto tokenizer = Tokenizer::from_hf_directory(text_golden_dir() / "gpt2");
  const int32_t size = tokenizer->vocab_size();
  EXPECT_EQ(size, 1500);
  const int32_t the = *tokenizer->token_to_id("\xc4\xa0the");
  EXPECT_EQ(tokenizer->decode(Ids{the, size, size + 999, -1, the}, false), " the the");
  EXPECT_EQ(stream(*tokenizer, {the, size, size + 999, the}, true), " the the");
  EXPECT_EQ(tokenizer->id_to_piece(size), "");
  EXPECT_FALSE(tokenizer->is_special(size));
}

TEST(TokenizerInput, NamesTokens) {
  const auto tokenizer = Tokenizer::from_hf_directory(text_golden_dir() / "gpt2");
  EXPECT_EQ(tokenizer->id_to_piece(0), "<|endoftext|>");
  EXPECT_TRUE(tokenizer->is_special(0));
  EXPECT_FALSE(tokenizer->is_special(1));
  EXPECT_EQ(tokenizer->token_to_id("<|endoftext|>"), 0);
  EXPECT_EQ(tokenizer->token_to_id("no such token"), std::nullopt);
  const auto the = tokenizer->token_to_id("\xc4\xa0the");  // "Ġthe"
  ASSERT_TRUE(the);
  EXPECT_EQ(tokenizer->token_bytes(*the), " the");
}

TEST(TokenizerInput, ReadsSpecialTokensAsTransformersDoes) {
  HfDirectory directory("smollm");
  directory.write("special_tokens_map.json", R"({"bos_token": "<|im_end|>", "eos_token": {"content": "<|im_end|>"}})");
  directory.write("tokenizer_config.json", R"({"bos_token": {"content": "<|im_start|>"}, "eos_token": null})");
  EXPECT_EQ(directory.load()->bos_id(), 2);  // the map wins
  EXPECT_EQ(directory.load()->eos_id(), 2);
  directory.write("tokenizer_config.json", R"({"bos_token": {"content": "<|im_start|>"}, "added_tokens_decoder": {},
      "pad_token": "<p>", "unk_token": "<u>", "image_token": "<i>", "add_bos_token": true,
      "extra_special_tokens": {"audio": "<a>"}, "additional_special_tokens": ["<x>"]})");
  const auto tokenizer = directory.load();
  EXPECT_EQ(tokenizer->bos_id(), 1);
  EXPECT_EQ(tokenizer->eos_id(), std::nullopt);
  EXPECT_THAT(tokenizer->chat_format().special_tokens,
              testing::ElementsAre(testing::Pair("audio", "<a>"), testing::Pair("bos_token", "<|im_start|>"),
                                   testing::Pair("image_token", "<i>"), testing::Pair("pad_token", "<p>"),
                                   testing::Pair("unk_token", "<u>")));
  directory.write("tokenizer_config.json", R"({"tokenizer_class": "Qwen2TokenizerFast", "unk_token": null,
      "added_tokens_decoder": {}})");
  EXPECT_THAT(directory.load()->chat_format().special_tokens,
              testing::ElementsAre(testing::Pair("eos_token", "<|endoftext|>"), testing::Pair("pad_token", "<|endoftext|>")));
}

// Each place wins over those before it.
TEST(TokenizerInput, FindsChatTemplatesWhereTransformersDoes) {
  using Templates = std::map<std::string, std::string>;
  HfDirectory directory("smollm");
  const auto templates = [&] { return directory.load()->chat_format().templates; };
  EXPECT_EQ(templates(), Templates());
  directory.write("chat_template.json", R"({"chat_template": "of a processor"})");
  EXPECT_EQ(templates(), (Templates{{"default", "of a processor"}}));
  directory.write("tokenizer_config.json", R"({"chat_template": "c"})");
  EXPECT_EQ(templates(), (Templates{{"default", "c"}}));
  directory.write("tokenizer_config.json",
                  R"({"chat_template": [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}]})");
  EXPECT_EQ(templates(), (Templates{{"default", "d"}, {"tool_use", "t"}}));
  directory.write("chat_template.jinja", "j");
  EXPECT_EQ(templates(), (Templates{{"default", "j"}}));
  directory.write("additional_chat_templates/rag.jinja", "r");
  EXPECT_EQ(templates(), (Templates{{"default", "j"}, {"rag", "r"}}));
}

TEST(TokenizerInput, MergesMayBeTexts) {
  HfDirectory directory("smollm");
  const Ids before = directory.load()->encode("Hello there, the world", false, true);
  for (auto& merge : directory.json["model"]["merges"]) {
    merge = merge[0].get<std::string>() + " " + merge[1].get<std::string>();
  }
  EXPECT_EQ(directory.load()->encode("Hello there, the world", false, true), before);
}

TEST(TokenizerInput, UnsupportedComponentsAreNamed) {
  const auto refuses = [](auto change, const char* reason) {
    HfDirectory directory("llama2");
    change(directory.json);
    EXPECT_THAT(message_of([&] { directory.load(); }), HasSubstr(reason));
  };
  using Json = nlohmann::json;
  refuses([](Json& j) { j["normalizer"] = {{"type", "Precompiled"}}; }, "normalizer 'Precompiled' is not supported");
  refuses([](Json& j) { j["pre_tokenizer"] = {{"type", "UnicodeScripts"}}; }, "pre-tokenizer 'UnicodeScripts' is not supported");
  refuses([](Json& j) { j["model"]["type"] = "Unigram"; }, "tokenizer model 'Unigram' is not supported");
  refuses([](Json& j) { j["model"]["end_of_word_suffix"] = "</w>"; }, "BPE setting 'end_of_word_suffix'");
  refuses([](Json& j) { j["model"]["dropout"] = 0.1; }, "BPE setting 'dropout'");
  refuses([](Json& j) { j["model"]["merges"][0] = {"zzzz", "qqqq"}; }, "merge 'zzzz' + 'qqqq'");
  refuses([](Json& j) { j["model"]["vocab"]["new"] = 5; }, "token id 5 is given to both");
  refuses([](Json& j) { j["model"]["vocab"]["new"] = 2'000'000'000; }, "has id 2000000000");
  refuses([](Json& j) { j["model"]["vocab"]["new"] = "x"; }, "malformed");
  refuses([](Json& j) { j["model"].erase("vocab"); }, "malformed");
  refuses([](Json& j) { j["added_tokens"][0]["id"] = -4; }, "has id -4");
  refuses([](Json& j) { j["added_tokens"][0]["id"] = 2'000'000'000; }, "2000000000");
  refuses([](Json& j) { j["decoder"] = {{"type", "WordPiece"}}; }, "decoder 'WordPiece' is not supported");
  refuses([](Json& j) { j["post_processor"] = {{"type", "BertProcessing"}}; }, "post-processor 'BertProcessing'");
  refuses([](Json& j) { j["post_processor"]["single"][0]["SpecialToken"]["id"] = "<x>"; }, "malformed");
  refuses(
      [](Json& j) {
        j["pre_tokenizer"] = {
            {"type", "Split"}, {"pattern", {{"Regex", "(a"}}}, {"behavior", "Isolated"}, {"invert", false}};
      },
      "regular expression '(a' cannot be used");
}

TEST(TokenizerInput, BrokenFilesAreNamed) {
  EXPECT_THAT(message_of([] { Tokenizer::from_hf_directory("/nonexistent"); }),
              HasSubstr("cannot read /nonexistent/tokenizer.json"));
  HfDirectory directory("gpt2");
  directory.json = nullptr;
  EXPECT_THAT(message_of([&] { directory.load(); }), HasSubstr("malformed"));
  directory.write("tokenizer_config.json", "{\"a\": ");
  EXPECT_THAT(message_of([&] { directory.load(); }), HasSubstr("tokenizer_config.json is not valid JSON"));
}

}  // namespace
}  // namespace weft
