#pragma once
// Streaming text out of token ids.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "runtime/text/tokenizer.h"

namespace weft {

// push() returns the characters that the new token completes; the bytes of an unfinished character are held
// back until the tokens that finish it arrive. All pushes and the flush together spell Tokenizer::decode of
// the same ids; the one exception is a SentencePiece model that breaks off a character written in byte
// tokens: decode() then replaces the whole run of byte tokens, the stream only what is broken.
class Detokenizer {
 public:
  // The text that follows `before`, whose own text is not returned: a SentencePiece model strips the first space of a
  // whole text only, and a character that `before` leaves unfinished is returned whole. The tokenizer must outlive the
  // detokenizer.
  Detokenizer(const Tokenizer& tokenizer, bool skip_special, std::span<const int32_t> before = {});

  std::string push(int32_t id);
  // The end of the text: what is still held back, as U+FFFD. The detokenizer is then as new.
  std::string flush();

 private:
  std::string_view text_of(int32_t id) const;  // its bytes, none of a token to skip

  const Tokenizer* tokenizer_;
  bool skip_special_;
  int strip_;            // leading spaces still to remove
  std::string pending_;  // at most 3 bytes: an unfinished character
};

}  // namespace weft
