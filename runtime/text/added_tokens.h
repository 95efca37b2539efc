#pragma once
// Tokens that are found in a text before anything else happens to it: special tokens and those added to a
// vocabulary.
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/text/vocabulary.h"

namespace weft {

struct AddedToken {
  int32_t id;
  std::string content;
  bool special = false;      // left out of a decoded text on request; recognised in a text only on request
  bool lstrip = false;       // takes the white space on its left
  bool rstrip = false;       // takes the white space on its right
  bool single_word = false;  // not inside a word
  bool normalized = false;   // looked for in the normalized text
};

// Bytes [begin, end) of a text.
struct TextRange {
  size_t begin, end;
};

// Finds tokens leftmost first, the longest of those that begin in one place.
class AddedTokenFinder {
 public:
  struct Segment {
    size_t begin, end;
    int32_t id;  // kNoToken: text between tokens
  };

  explicit AddedTokenFinder(std::vector<AddedToken> tokens = {});
  // Covers the text with segments; skips special tokens unless parse_special. literal: ascending ranges in which no token is
  // found, nor one that reaches into them; an empty one at x keeps tokens from spanning x.
  std::vector<Segment> split(std::string_view text, bool parse_special, std::span<const TextRange> literal = {}) const;
  bool empty() const { return tokens_.empty(); }

 private:
  const AddedToken* longest_at(std::string_view text) const;

  std::vector<AddedToken> tokens_;        // sorted by content
  std::array<bool, 256> begins_token_{};  // by first byte
};

}  // namespace weft
