#pragma once
// The parts that a tokenizer is put together from, as the readers of tokenizer.json and of GGUF fill them.
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/text/added_tokens.h"
#include "runtime/text/bpe.h"
#include "runtime/text/chat_format.h"
#include "runtime/text/normalizer.h"
#include "runtime/text/pre_tokenizer.h"
#include "runtime/text/tokenizer_gguf.h"

namespace weft {

// How pieces become text again.
struct Decoder {
  bool byte_alphabet = false;  // pieces are written in GPT-2's byte alphabet; else the steps below, in order
  std::vector<std::pair<std::string, std::string>> replacements;  // in each piece, "▁" -> " "
  bool byte_fallback = false;                                     // <0xXX> is a byte
  int strip_leading_spaces = 0;                                   // at the very start of a text
};

struct TokenizerParts {
  std::vector<AddedToken> added_tokens = {};
  Normalizer normalizer = {};
  PreTokenizer pre_tokenizer = PreTokenizer();
  Bpe bpe;
  std::vector<int32_t> prefix = {}, suffix = {};  // what encode() adds with add_special
  Decoder decoder = {};
  std::optional<int32_t> bos = {}, eos = {};
  ChatFormat chat = {};
};

// The readers behind Tokenizer::from_hf_directory and from_gguf.
TokenizerParts read_hf_tokenizer(const std::filesystem::path& directory);
TokenizerParts read_gguf_tokenizer(const GgufTokenizerData& data);

}  // namespace weft
