// Any bytes as a text and as token ids, for the golden tokenizers:
// valid text of a byte-level tokenizer survives a round trip, streaming equals decoding, anything else is an
// InputError.
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "kernels/core/check.h"
#include "runtime/text/detokenizer.h"
#include "runtime/text/tokenizer.h"
#include "runtime/text/utf8.h"
#include "tests/support/source_dir.h"

namespace {

using weft::source_dir;
using weft::Tokenizer;

const std::vector<std::unique_ptr<Tokenizer>>& tokenizers() {
  static const auto list = [] {
    const auto golden = source_dir() / "tests/golden/text";
    std::vector<std::unique_ptr<Tokenizer>> result;  // the first two are byte-level and change nothing
    for (const char* name : {"gpt2", "llama3", "qwen2", "flags", "llama2", "mistral"})
      result.push_back(Tokenizer::from_hf_directory(golden / name));
    return result;
  }();
  return list;
}

void fuzz_text(const Tokenizer& tokenizer, std::string_view text, bool lossless) {
  for (const bool parse_special : {false, true}) {
    try {
      const std::vector<int32_t> ids = tokenizer.encode(text, true, parse_special);
      const std::string decoded = tokenizer.decode(tokenizer.encode(text, false, parse_special), false);
      if (lossless) WEFT_CHECK_EQ(decoded, text);
    } catch (const weft::InputError&) {
      WEFT_CHECK(weft::find_invalid_utf8(text) != std::string_view::npos, "valid text was refused");
    }
  }
}

// Two bytes an id.
void fuzz_ids(const Tokenizer& tokenizer, std::string_view bytes, bool byte_level) {
  std::vector<int32_t> ids;
  for (size_t i = 0; i + 1 < bytes.size(); i += 2) {
    const int number = static_cast<unsigned char>(bytes[i]) * 256 + static_cast<unsigned char>(bytes[i + 1]);
    ids.push_back(number % tokenizer.vocab_size());
  }
  weft::Detokenizer detokenizer(tokenizer, false);
  std::string streamed;
  for (const int32_t id : ids) {
    streamed += detokenizer.push(id);
    WEFT_CHECK_EQ(weft::find_invalid_utf8(streamed), std::string::npos);
  }
  streamed += detokenizer.flush();
  const std::string decoded = tokenizer.decode(ids, false);
  WEFT_CHECK_EQ(weft::find_invalid_utf8(decoded), std::string::npos);
  if (byte_level) WEFT_CHECK_EQ(streamed, decoded);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (size_t i = 0; i < tokenizers().size(); ++i) {
    fuzz_text(*tokenizers()[i], text, i < 2);
    fuzz_ids(*tokenizers()[i], text, i < 4);
  }
  return 0;
}
