#pragma once
// Streaming text out of token ids, and stop strings in that stream.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/text/tokenizer.h"

namespace weft {

// push() returns the characters that the new token completes; the bytes of an unfinished character are held
// back until the tokens that finish it arrive. All pushes and the flush together spell Tokenizer::decode of
// the same ids; the one exception is a SentencePiece model that breaks off a character written in byte
// tokens: decode() then replaces the whole run of byte tokens, the stream only what is broken.
class Detokenizer {
 public:
  // The tokenizer must outlive the detokenizer.
  Detokenizer(const Tokenizer& tokenizer, bool skip_special);

  std::string push(int32_t id);
  // The end of the text: what is still held back, as U+FFFD. The detokenizer is then as new.
  std::string flush();

 private:
  const Tokenizer* tokenizer_;
  bool skip_special_;
  int strip_;            // leading spaces still to remove
  std::string pending_;  // at most 3 bytes: an unfinished character
};

// Finds the first stop string in a stream of text pieces. Text that may be the beginning of a stop string is
// held back.
class StopStrings {
 public:
  // Empty strings are refused.
  explicit StopStrings(std::vector<std::string> stops);

  // Returns the text that is safe to show. Once a stop string is complete, returns what precedes it,
  // stopped() is true and further text is ignored. Of stop strings that end in the same place the one that
  // starts first counts.
  std::string push(std::string_view text);
  // The end of the text: returns what was held back.
  std::string flush();

  bool stopped() const { return stopped_; }
  const std::string& matched() const { return matched_; }  // the stop string that hit; empty before

 private:
  std::vector<std::string> stops_;
  std::string held_;
  std::string matched_;
  bool stopped_ = false;
};

}  // namespace weft
