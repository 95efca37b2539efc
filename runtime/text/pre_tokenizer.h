#pragma once
// Cuts a text into words, within which BPE merges. A pre-tokenizer is a list of steps; each works on the
// words of the step before. The named pre-tokenizers of tokenizer.json are short lists of these steps.
#include <cstddef>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "runtime/text/regex.h"

namespace weft {

// What becomes of a match when a text is split at the matches of a regex.
enum class SplitBehavior {
  removed,               // dropped
  isolated,              // a word of its own
  merged_with_previous,  // the end of the word before it
  merged_with_next,      // the beginning of the word after it
  contiguous,            // like isolated, neighbouring matches in one word
};

struct SplitStep {
  Regex pattern;
  SplitBehavior behavior = SplitBehavior::isolated;
  bool invert = false;  // what lies between the matches is the match
};

// Puts prefix before each word that does not begin with it.
struct PrefixStep {
  std::string prefix;
  bool only_at_start = false;  // only before the word that begins the whole input
};

// Replaces every space.
struct ReplaceSpaceStep {
  std::string replacement;
};

// Spells each byte in GPT-2's alphabet (byte_alphabet.h).
struct ByteAlphabetStep {};

using PreTokenizerStep = std::variant<SplitStep, PrefixStep, ReplaceSpaceStep, ByteAlphabetStep>;

// The pattern of GPT-2, which the pre-tokenizer ByteLevel uses. Source: openai/gpt-2, encoder.py.
inline constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

// The words of a text, as ranges in it; text between words was removed. Never an empty word.
struct Words {
  struct Range {
    size_t begin, end;
  };
  std::string text;
  std::vector<Range> ranges;
  bool starts_input = false;  // the text is the beginning of the whole input

  std::string_view at(const Range& range) const {
    return std::string_view(text).substr(range.begin, range.end - range.begin);
  }
};

class PreTokenizer {
 public:
  explicit PreTokenizer(std::vector<PreTokenizerStep> steps = {}) : steps_(std::move(steps)) {}
  Words split(std::string_view text, bool starts_input) const;  // valid UTF-8
  const std::vector<PreTokenizerStep>& steps() const { return steps_; }

 private:
  std::vector<PreTokenizerStep> steps_;
};

}  // namespace weft
