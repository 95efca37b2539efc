#include "runtime/text/gguf_pre_tokenizer.h"

#include "kernels/core/check.h"
#include "runtime/text/pre_tokenizer.h"

namespace weft {
namespace {

// English contractions in any case.
const std::string kContraction = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
// How most patterns end: of many spaces the last one goes to the word that follows.
const std::string kSpaces = R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";

const std::string kDigit = R"(\p{N})", kDigits = R"(\p{N}+)", kUpTo3Digits = R"(\p{N}{1,3})", k3Digits = "[0-9][0-9][0-9]";
const std::string kWord = R"(|[^\r\n\p{L}\p{N}]?\p{L}+)", kMarks = R"(| ?[^\s\p{L}\p{N}]+[\r\n]*)";
const std::string kLlama3 = kContraction + kWord + R"(|\p{N}{1,3})" + kMarks + kSpaces;
const std::string kQwen2 = kContraction + kWord + R"(|\p{N})" + kMarks + kSpaces;
const std::string kQwen35 =
    kContraction + R"(|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*)" + kSpaces;
const std::string kSeedCoder = kContraction + kWord + R"(|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+)" + kSpaces;

// A word of capital and small letters, cut before a capital that follows a small one: o200k's shape.
std::string capitalised(const std::string& capital, const std::string& small, const std::string& suffix) {
  const std::string before = R"([^\r\n\p{L}\p{N}]?)";
  return before + capital + "*" + small + "+" + suffix + "|" + before + capital + "+" + small + "*" + suffix;
}
const std::string kCapital = R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])", kSmall = R"([\p{Ll}\p{Lm}\p{Lo}\p{M}])";
const std::string kMarksAndSlashes = R"(| ?[^\s\p{L}\p{N}]+[\r\n/]*)";
const std::string kTekken = capitalised(kCapital, kSmall, "") + R"(|\p{N})" + kMarksAndSlashes + kSpaces;
const std::string kGpt4o = capitalised(kCapital, kSmall, kContraction + "?") + R"(|\p{N}{1,3})" + kMarksAndSlashes + kSpaces;
const std::string kKimi = R"(\p{Han}+|)" +
                          capitalised(R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]])",
                                      R"([\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]])", kContraction + "?") +
                          R"(|\p{N}{1,3})" + kMarks + kSpaces;

const std::string kBailing =
    R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)";
const std::string kExaoneMoe = kContraction +
                               R"(|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?)" +
                               R"(|\s*[\r\n]|\s+(?!\S)|\s+)";
const std::string kBloom = R"( ?[^(\s|.,!?\x{2026}\x{3002}\x{FF0C}\x{3001}\x{964}\x{6D4}\x{60C})]+)";

const std::string kLine = R"([\r\n])";
const std::string kDeepSeekCjk = R"([\x{4E00}-\x{9FA5}\x{800}-\x{4E00}\x{AC00}-\x{D7FF}]+)";
const std::string kDeepSeekPunctuation =
    R"(\s?[!-/:-~\x{FF01}-\x{FF0F}\x{FF1A}-\x{FF5E}\x{2018}-\x{201F}\x{3000}-\x{3002}]+)";
// The letters with case of Unicode 10, without Georgian.
const std::string kDeepSeekWord =
    R"(\s?[A-Za-z\x{B5}\x{C0}-\x{D6}\x{D8}-\x{F6}\x{F8}-\x{1BA}\x{1BC}-\x{1BF}\x{1C4}-\x{293}\x{295}-\x{2AF}\x{370}-\x{373})"
    R"(\x{376}\x{377}\x{37B}-\x{37D}\x{37F}\x{386}\x{388}-\x{38A}\x{38C}\x{38E}-\x{3A1}\x{3A3}-\x{3F5}\x{3F7}-\x{481})"
    R"(\x{48A}-\x{52F}\x{531}-\x{556}\x{10A0}-\x{10C5}\x{13A0}-\x{13F5}\x{13F8}-\x{13FD}\x{1C90}-\x{1CBA}\x{1CBD}-\x{1CBF})"
    R"(\x{1D00}-\x{1D2B}\x{1D6B}-\x{1D77}\x{1D79}-\x{1D9A}\x{1E00}-\x{1F15}\x{1F18}-\x{1F1D}\x{1F20}-\x{1F45}\x{1F48}-\x{1F4D})"
    R"(\x{1F50}-\x{1F57}\x{1F59}\x{1F5B}\x{1F5D}\x{1F5F}-\x{1F7D}\x{1F80}-\x{1FB4}\x{1FB6}-\x{1FBC}\x{1FBE}\x{1FC2}-\x{1FC4})"
    R"(\x{1FC6}-\x{1FCC}\x{1FD0}-\x{1FD3}\x{1FD6}-\x{1FDB}\x{1FE0}-\x{1FEC}\x{1FF2}-\x{1FF4}\x{1FF6}-\x{1FFC}\x{2102}\x{2107})"
    R"(\x{210A}-\x{2113}\x{2115}\x{2119}-\x{211D}\x{2124}\x{2126}\x{2128}\x{212A}-\x{212D}\x{212F}-\x{2134}\x{2139})"
    R"(\x{213C}-\x{213F}\x{2145}-\x{2149}\x{214E}\x{2183}\x{2184}\x{2C00}-\x{2C7B}\x{2C7E}-\x{2CE4}\x{2CEB}-\x{2CEE}\x{2CF2})"
    R"(\x{2CF3}\x{A640}-\x{A66D}\x{A680}-\x{A69B}\x{A722}-\x{A76F}\x{A771}-\x{A787}\x{A78B}-\x{A78E}\x{AB70}-\x{ABBF})"
    R"(\x{FB00}-\x{FB06}\x{FB13}-\x{FB17}\x{FF21}-\x{FF3A}\x{FF41}-\x{FF5A}\x{10400}-\x{1044F}\x{104B0}-\x{104D3})"
    R"(\x{104D8}-\x{104FB}\x{10C80}-\x{10CB2}\x{10CC0}-\x{10CF2}\x{118A0}-\x{118DF}\x{1E900}-\x{1E943}]+)";
const std::string kDeepSeek3Cjk = R"([\x{4E00}-\x{9FA5}\x{3040}-\x{309F}\x{30A0}-\x{30FF}]+)";
const std::string kDeepSeek3 =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*)" +
    kSpaces;

struct Row {
  std::vector<std::string_view> names;  // all mean the same; the first is written
  GgufPreTokenizer meaning;
};

const std::vector<Row>& table() {
  static const std::string gpt2(kGpt2Pattern);
  static const std::vector<Row> rows = {
      {{"gpt-2", "phi-2", "gigachat", "a.x-4.0", "mellum", "exaone4", "mpt", "olmo", "jais", "trillion", "granite-docling"},
       {{gpt2}}},
      {{"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2"}, {{kDigit, gpt2}}},
      {{"llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"},
       {{kLlama3}, false, true, true}},
      {{"smaug-bpe", "dbrx", "chatglm-bpe", "glm4"}, {{kLlama3}}},
      {{"qwen2", "deepseek-r1-qwen", "megrez", "kormo"}, {{kQwen2}, true}},
      {{"stablelm2", "hunyuan", "solar-open", "grok-2"}, {{kQwen2}}},
      {{"qwen35"}, {{kQwen35}, true}},
      {{"seed-coder"}, {{kSeedCoder}}},
      {{"tekken"}, {{kTekken}, false, true, true}},
      {{"gpt-4o", "llama4", "kanana2", "minimax-m2"}, {{kGpt4o}}},
      {{"kimi-k2"}, {{kKimi}}},
      {{"superbpe"}, {{kDigits, R"((?=(\d{3})+(?!\d)))"}}},
      {{"bailingmoe", "bailingmoe2", "llada-moe"}, {{kBailing}}},
      {{"exaone-moe"}, {{kExaoneMoe}}},
      {{"deepseek-llm"}, {{kLine, kDeepSeekWord, kDeepSeekPunctuation, R"(\s+$)", kDeepSeekCjk, kDigits}}},
      {{"deepseek-coder"}, {{kLine, R"(\s?\p{L}+)", R"(\s?\p{P}+)", kDeepSeekCjk, kDigit}}},
      {{"deepseek-v3", "hunyuan-dense", "joyai-llm"}, {{kUpTo3Digits, kDeepSeek3Cjk, kDeepSeek3}}},
      {{"falcon"}, {{R"([\p{P}\$\+<=>\^~\|`]+)", gpt2, k3Digits}}},
      {{"poro-chat", "bloom", "gpt3-finnish"}, {{kBloom}}},
      {{"viking"}, {{kBloom, kDigit}}},
      {{"default", ""}, {{R"([\p{P}\$\+<=>\^~\|]+)", gpt2, kDigits, k3Digits}}},
  };
  return rows;
}

}  // namespace

const GgufPreTokenizer& gguf_pre_tokenizer(std::string_view name) {
  std::string known;
  for (const Row& row : table()) {
    for (const std::string_view other : row.names) {
      if (other == name) return row.meaning;
      if (!other.empty()) known += cat(known.empty() ? "" : ", ", other);
    }
  }
  bad_input("GGUF pre-tokenizer '", name, "' (tokenizer.ggml.pre) is not supported; supported are ", known);
}

std::optional<std::string_view> gguf_pre_tokenizer_name(const GgufPreTokenizer& meaning) {
  for (const Row& row : table()) {
    const GgufPreTokenizer& m = row.meaning;
    const bool same = m.patterns == meaning.patterns && m.nfc == meaning.nfc && m.ignore_merges == meaning.ignore_merges;
    if (same) return row.names.front();
  }
  return std::nullopt;
}

}  // namespace weft
