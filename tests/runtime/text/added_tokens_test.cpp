// Tokens that only the files beside tokenizer.json name, against transformers (make_added_tokens_golden.py).
#include "runtime/text/added_tokens.h"

#include "kernels/core/check.h"
#include "tests/runtime/text/hf_directory.h"

namespace weft {
namespace {

TEST(AddedTokens, FilesBesideAddThemAsTransformersDoes) {
  const nlohmann::json golden = read_golden("added_tokens.json");
  for (const auto& entry : golden.at("cases")) {
    SCOPED_TRACE(entry.at("name"));
    const HfDirectory directory("gpt2");
    for (const auto& [name, content] : entry.at("files").items()) directory.write(name + ".json", content.dump());
    const auto tokenizer = directory.load();
    const Ids ids = tokenizer->encode(golden.at("text").get<std::string>(), true, true);
    EXPECT_EQ(ids, entry.at("ids").get<Ids>());
    EXPECT_EQ(tokenizer->decode(ids, true), entry.at("without_special").get<std::string>());
    const auto id = [&](const char* key) {
      return entry.at(key).is_null() ? std::nullopt : std::optional<int32_t>(entry.at(key));
    };
    EXPECT_EQ(tokenizer->bos_id(), id("bos"));
    EXPECT_EQ(tokenizer->eos_id(), id("eos"));
  }
}

TEST(AddedTokens, ATokenThatAnotherTookAsWhiteSpaceStillCounts) {
  const auto segments = [](bool lstrip) {
    const AddedTokenFinder finder({{.id = 1, .content = "b", .rstrip = true}, {.id = 2, .content = "\n", .lstrip = lstrip}});
    Ids ids;
    std::string text;
    const std::string input = "ab\n  c";
    for (const auto& segment : finder.split(input, true)) {
      ids.push_back(segment.id);
      if (segment.id == kNoToken) text += input.substr(segment.begin, segment.end - segment.begin) + "|";
    }
    return std::pair(ids, text);
  };
  EXPECT_EQ(segments(false), std::pair(Ids({kNoToken, 1, 2, kNoToken}), std::string("a|  c|")));
  EXPECT_EQ(segments(true), std::pair(Ids({kNoToken, 1, kNoToken}), std::string("a|c|")));
}

TEST(AddedTokens, AKeyThatIsNoIdIsNamed) {
  const HfDirectory directory("gpt2");
  directory.write("tokenizer_config.json", R"({"added_tokens_decoder": {"x1": {"content": "<x>"}}})");
  try {
    directory.load();
    FAIL() << "accepted";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("added_tokens_decoder has the key 'x1'"));
  }
}

}  // namespace
}  // namespace weft
