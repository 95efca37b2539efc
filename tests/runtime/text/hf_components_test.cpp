// Normalizers and pre-tokenizers against Hugging Face `tokenizers` (make_component_golden.py).
#include "runtime/text/hf_components.h"

#include "kernels/core/check.h"
#include "tests/runtime/text/text_golden.h"

namespace weft {
namespace {

TEST(HfComponents, CutTextsAsHuggingFaceDoes) {
  const nlohmann::json golden = read_golden("components.json");
  for (const auto& entry : golden.at("cases")) {
    const Normalizer normalizer = read_normalizer(entry.at("normalizer"));
    const PreTokenizer pre_tokenizer(read_pre_tokenizer(entry.at("pre_tokenizer")));
    std::string all;
    for (const std::string text : golden.at("texts")) {
      const Words words = pre_tokenizer.split(normalize(normalizer, text), true);
      for (const Words::Range& range : words.ranges) all.append(words.at(range)).push_back('\0');
    }
    const auto* bytes = reinterpret_cast<const unsigned char*>(all.data());
    EXPECT_EQ(hash_ids(Ids(bytes, bytes + all.size())), entry.at("hash")) << entry;
  }
}

std::string refusal(const nlohmann::json& normalizer) {
  try {
    read_normalizer(normalizer);
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(HfComponents, AReplacementOfNothingIsRefused) {
  EXPECT_THAT(refusal({{"type", "Replace"}, {"pattern", {{"Regex", "b?"}}}, {"content", "-"}}),
              testing::HasSubstr("Replace"));
  EXPECT_EQ(refusal({{"type", "Replace"}, {"pattern", {{"Regex", "b+"}}}, {"content", "-"}}), "accepted");
}

}  // namespace
}  // namespace weft
