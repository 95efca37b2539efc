#pragma once
// The tokenizer a GGUF file carries in its metadata (tokenizer.ggml.*, tokenizer.chat_template).
// Source of the keys: the GGUF specification, section "Tokenizer".
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "runtime/text/chat_format.h"

namespace weft {

// Filled by the GGUF reader. The views point into the mapped file and need to live only until
// Tokenizer::from_gguf returns: the tokenizer copies what it keeps.
struct GgufTokenizerData {
  std::string_view model;                // tokenizer.ggml.model: "gpt2" (byte-level BPE) or "llama" (SentencePiece)
  std::string_view pre;                  // tokenizer.ggml.pre; empty where the file has none
  std::vector<std::string_view> tokens;  // tokenizer.ggml.tokens, by id
  std::vector<int32_t> token_type;       // 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte; may be empty
  std::vector<std::string_view> merges;  // "left right", best first; model "gpt2"
  std::vector<float> scores;             // by id; model "llama"
  std::optional<int32_t> bos_id;         // tokenizer.ggml.bos_token_id
  std::optional<int32_t> eos_id;         // tokenizer.ggml.eos_token_id
  std::optional<int32_t> unknown_id;     // tokenizer.ggml.unknown_token_id
  std::vector<int32_t> end_ids;          // every token that ends a text; they are special, whatever token_type says
  std::optional<bool> add_bos;           // tokenizer.ggml.add_bos_token; absent: true for "llama" and some of `pre`
  std::optional<bool> add_eos;           // tokenizer.ggml.add_eos_token; absent: false
  std::optional<bool> add_space_prefix;  // tokenizer.ggml.add_space_prefix; absent: true for "llama"; else ignored
  ChatFormat chat;                       // without bos_token and eos_token, which the ids name
};

}  // namespace weft
