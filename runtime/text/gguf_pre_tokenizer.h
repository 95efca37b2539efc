#pragma once
// The pre-tokenizers that GGUF files name. A file holds only the name; what it stands for is llama.cpp's convention
// (src/llama-vocab.cpp), and the patterns are those of the tokenizer.json the name was made for.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

struct GgufPreTokenizer {
  std::vector<std::string> patterns;  // a text is split at the matches of each in turn, every match a word of its own
  bool nfc = false;
  bool ignore_merges = false;  // a word that is a token as a whole stays one
  bool add_bos = false;        // where the file does not say
};

// tokenizer.ggml.pre; "" is the meaning of a file without. An unknown name is refused.
const GgufPreTokenizer& gguf_pre_tokenizer(std::string_view name);
// A name that means this, whatever it says of BOS, which a file can say itself; nothing if there is none.
std::optional<std::string_view> gguf_pre_tokenizer_name(const GgufPreTokenizer& meaning);

}  // namespace weft
