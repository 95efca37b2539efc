#pragma once
// What happens to a text before it is cut into words.
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "runtime/text/regex.h"

namespace weft {

// Unicode normalization form C: combining marks joined to their letters. Source: Unicode annex 15.
struct Nfc {};

// Puts content before a text that is not empty.
struct Prepend {
  std::string content;
};

// Replaces every match.
struct Replace {
  Regex pattern;
  std::string content;
};

using NormalizerStep = std::variant<Nfc, Prepend, Replace>;
using Normalizer = std::vector<NormalizerStep>;  // applied in order

// text must be valid UTF-8.
std::string normalize(const Normalizer& normalizer, std::string_view text);

}  // namespace weft
