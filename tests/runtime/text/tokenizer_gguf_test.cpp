// The same tokenizers as GGUF metadata: they must agree with Hugging Face in the same way.
#include "kernels/core/check.h"
#include "tests/runtime/text/text_golden.h"

namespace weft {
namespace {

// What a conversion to GGUF would write for one of the golden tokenizers.
struct GgufFixture {
  std::vector<std::string> tokens, merges;
  std::vector<int32_t> types;
  std::vector<float> scores;
  GgufTokenizerData data;

  explicit GgufFixture(const std::string& name) {
    const nlohmann::json file = read_golden(std::filesystem::path(name) / "tokenizer.json");
    const auto put = [&](const std::string& piece, size_t id, int32_t type) {
      if (id >= tokens.size()) tokens.resize(id + 1), types.resize(id + 1, 1);
      tokens[id] = piece;
      types[id] = type;
    };
    for (const auto& [piece, id] : file.at("model").at("vocab").items()) put(piece, id, 1);
    for (const auto& token : file.at("added_tokens")) {
      put(token.at("content"), token.at("id"), token.at("special").get<bool>() ? 3 : 4);
    }
    for (const auto& merge : file.at("model").at("merges")) {
      merges.push_back(merge[0].get<std::string>() + " " + merge[1].get<std::string>());
    }
    for (size_t id = 0; id < tokens.size(); ++id) scores.push_back(-static_cast<float>(id));
    data.tokens.assign(tokens.begin(), tokens.end());
    data.token_type = types;
  }
  GgufFixture(const GgufFixture&) = delete;

  void as_byte_level(std::string_view pre) {
    data.model = "gpt2";
    data.pre = pre;
    data.merges.assign(merges.begin(), merges.end());
  }
  void as_sentencepiece() {
    data.model = "llama";
    data.scores = scores;
    data.unknown_id = 0;
    data.bos_id = 1;
    data.eos_id = 2;
  }
};

TEST(TokenizerGguf, ByteLevelAgrees) {
  for (const auto& [name, pre] :
       {std::pair("gpt2", "gpt-2"), {"smollm", "smollm"}, {"llama3", "llama-bpe"}, {"qwen2", "qwen2"}}) {
    SCOPED_TRACE(name);
    GgufFixture fixture(name);
    fixture.as_byte_level(pre);
    if (fixture.data.pre == "llama-bpe") fixture.data.bos_id = 1500;
    const auto tokenizer = Tokenizer::from_gguf(fixture.data);
    const auto golden = read_golden(std::filesystem::path(name) / "golden.json");
    expect_cases(*tokenizer, golden);
    expect_decodes(*tokenizer, golden);
  }
}

TEST(TokenizerGguf, SentencePieceAgrees) {
  GgufFixture fixture("llama2");
  fixture.as_sentencepiece();
  const auto tokenizer = Tokenizer::from_gguf(fixture.data);
  const auto golden = read_golden("llama2/golden.json");
  expect_cases(*tokenizer, golden);
  expect_decodes(*tokenizer, golden);
  expect_large(*tokenizer, golden);  // scores shared by no two tokens, but by all cuts of one
  EXPECT_EQ(tokenizer->bos_id(), 1);
  EXPECT_EQ(tokenizer->eos_id(), 2);
}

TEST(TokenizerGguf, SentencePieceHasIdsOfItsOwn) {
  GgufFixture fixture("llama2");
  fixture.as_sentencepiece();
  fixture.data.unknown_id = fixture.data.bos_id = fixture.data.eos_id = std::nullopt;
  const auto tokenizer = Tokenizer::from_gguf(fixture.data);
  EXPECT_EQ(tokenizer->bos_id(), 1);
  EXPECT_EQ(tokenizer->eos_id(), 2);
  EXPECT_EQ(tokenizer->encode("", true, true), Ids{1});
}

TEST(TokenizerGguf, ATokenThatEndsATextIsSpecial) {
  GgufFixture fixture("gpt2");
  fixture.as_byte_level("gpt-2");
  const Ids ids = Tokenizer::from_gguf(fixture.data)->encode("x the", false, true);
  fixture.data.end_ids = {ids.back()};  // " the", a token like any other
  const auto tokenizer = Tokenizer::from_gguf(fixture.data);
  EXPECT_TRUE(tokenizer->is_special(ids.back()));
  EXPECT_EQ(tokenizer->decode(ids, true), "x");
}

TEST(TokenizerGguf, FlagsDecideWhatIsAdded) {
  GgufFixture fixture("llama2");
  fixture.as_sentencepiece();
  fixture.data.add_bos = false;
  fixture.data.add_eos = true;
  fixture.data.add_space_prefix = false;
  const auto tokenizer = Tokenizer::from_gguf(fixture.data);
  const Ids ids = tokenizer->encode("", true, true);
  EXPECT_EQ(ids, Ids{2});
  EXPECT_EQ(tokenizer->decode(tokenizer->encode(" x", false, true), false), " x");
}

std::string message_of(const GgufTokenizerData& data) {
  try {
    Tokenizer::from_gguf(data);
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(TokenizerGguf, RefusesWhatItCannotUse) {
  using testing::HasSubstr;
  GgufFixture fixture("smollm");
  fixture.as_byte_level("smollm");
  const auto refuses = [&](auto change, const char* reason) {
    GgufTokenizerData data = fixture.data;
    change(data);
    EXPECT_THAT(message_of(data), HasSubstr(reason));
  };
  EXPECT_EQ(message_of(fixture.data), "accepted");
  refuses([](auto& d) { d.model = "t5"; }, "'t5' (tokenizer.ggml.model) is not supported");
  refuses([](auto& d) { d.pre = "nonesuch"; }, "'nonesuch' (tokenizer.ggml.pre) is not supported");
  refuses([](auto& d) { d.tokens.clear(); }, "no tokens");
  refuses([](auto& d) { d.token_type.pop_back(); }, "token_type has");
  refuses([](auto& d) { d.tokens[5] = "\xff"; }, "token 5 of the GGUF file is not valid UTF-8");
  refuses([](auto& d) { d.merges[3] = "nospace"; }, "merge 3 of the GGUF file is 'nospace'");
  refuses([](auto& d) { d.merges[3] = ""; }, "merge 3");
  refuses([](auto& d) { d.merges[0] = "zzzz qqqq"; }, "merge 0 of the GGUF file is 'zzzz qqqq'");
  refuses([](auto& d) { d.eos_id = 1 << 20; }, "tokenizer.ggml.eos_token_id is 1048576");
  refuses([](auto& d) { d.add_bos = true; }, "names none");
  refuses([](auto& d) { d.model = "llama"; }, "tokenizer.ggml.scores has 0 entries");
}

}  // namespace
}  // namespace weft
