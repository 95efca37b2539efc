#pragma once
// How many bytes of text a token can stand for: what is longer need not be tokenized to know that it is too long.
#include <array>
#include <cstddef>
#include <limits>
#include <string_view>

namespace weft {

struct TokenizerParts;

// Every text with n * bytes_per_token counted bytes or more becomes at least n tokens.
struct TextBound {
  static constexpr size_t none = std::numeric_limits<size_t>::max();

  // The longest token of the vocabulary, added ones included, times what the normalizer can shorten a text. None where a token
  // can stand for any length: unknown characters that are dropped or joined to one token, white space around an added token or
  // at an end of the text, replacements of patterns.
  size_t bytes_per_token = none;
  std::array<bool, 256> counted{};  // a vocabulary of bytes may lack some, which are then dropped: SmolLM2's lacks U+0004

  bool exceeds(std::string_view text, size_t tokens) const;
};

TextBound text_bound(const TokenizerParts& parts);

}  // namespace weft
