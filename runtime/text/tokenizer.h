#pragma once
// Text to token ids and back, identical to Hugging Face `tokenizers` for the pipelines of GPT-2, SmolLM2, Llama 2 and
// 3, Mistral and Qwen, for every character that the Unicode tables of PCRE2 and ICU know (Debian 12: Unicode 14, 15).
// A tokenizer is immutable after it is built: any number of threads may share one.
//
// The pipeline of encode(), each stage in a file of its own:
//   added tokens (added_tokens.h) -> normalizer (normalizer.h) -> pre-tokenizer (pre_tokenizer.h) -> BPE (bpe.h)
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/text/added_tokens.h"
#include "runtime/text/chat_format.h"
#include "runtime/text/text_bound.h"
#include "runtime/text/tokenizer_gguf.h"

namespace weft {

struct TokenizerParts;

class Tokenizer {
 public:
  // Reads tokenizer.json, and tokenizer_config.json, special_tokens_map.json, added_tokens.json and the chat templates
  // (chat_format.h) where they exist. A component that is not supported is refused by name.
  static std::unique_ptr<Tokenizer> from_hf_directory(const std::filesystem::path& directory);
  static std::unique_ptr<Tokenizer> from_gguf(const GgufTokenizerData& data);

  explicit Tokenizer(TokenizerParts parts);
  ~Tokenizer();

  // add_special: add what the post-processor (or the GGUF's flags) adds, usually BOS.
  // parse_special: recognise special tokens written out in the text; if false, they are ordinary text. Added
  // tokens that are not special are always recognised. Invalid UTF-8 is refused with the offset of its first
  // byte. Time is O(n log n) for any text.
  // literal: ascending ranges of the text that are ordinary text whatever added tokens they spell (AddedTokenFinder).
  std::vector<int32_t> encode(std::string_view text, bool add_special, bool parse_special,
                              std::span<const TextRange> literal = {}) const;

  // Refuses a text whose bytes alone say that it becomes more than max_tokens tokens (text_bound.h); they are only counted.
  void check_length(std::string_view text, int64_t max_tokens) const;

  // Always valid UTF-8: bytes that do not form a character become U+FFFD. An id that has no token gives no
  // text, be it a gap in the vocabulary or outside: a model's vocabulary may be padded beyond its tokenizer's.
  std::string decode(std::span<const int32_t> ids, bool skip_special) const;

  int32_t vocab_size() const { return static_cast<int32_t>(tokens_.size()); }  // largest id + 1, added tokens included
  std::optional<int32_t> bos_id() const;
  std::optional<int32_t> eos_id() const;
  std::optional<int32_t> token_to_id(std::string_view piece) const;  // the inverse of id_to_piece
  std::string_view id_to_piece(int32_t id) const;  // as the vocabulary spells it ("Ġthe"); empty for an id without a token
  bool is_special(int32_t id) const { return token(id).special; }

  const std::vector<AddedToken>& added_tokens() const;  // as the model's files spell them
  const ChatFormat& chat_format() const;  // without templates where the model has none

  // What a token adds to a text, before bytes are joined to characters: what the streaming detokenizer works
  // on. Views stay valid for the tokenizer's life.
  std::string_view token_bytes(int32_t id) const;
  int leading_spaces_to_strip() const;  // spaces that decode() removes at the very start of a text

 private:
  struct Token {
    std::string_view piece;  // empty: a gap
    size_t text_begin = 0, text_end = 0;
    bool special = false;
    bool byte = false;  // a byte token <0xXX>, its text is the byte
  };
  struct Stages;  // the parts in the form encode() uses
  void index_tokens();
  const Token& token(int32_t id) const;
  std::string_view text_of(const Token& token) const;

  std::unique_ptr<const Stages> stages_;
  TextBound bound_;
  std::vector<Token> tokens_;  // by id
  std::string texts_;
};

}  // namespace weft
