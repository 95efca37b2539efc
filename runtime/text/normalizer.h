#pragma once
// What happens to a text before it is cut into words.
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "runtime/text/regex.h"

namespace weft {

// A Unicode normalization form: C and KC join combining marks to their letters, D and KD take them apart, KC and KD also
// replace compatibility characters ("ﬁ"). Source: Unicode annex 15.
struct UnicodeForm {
  enum Name { nfc, nfd, nfkc, nfkd } name = nfc;
};

// Small letters, each character for itself.
struct Lowercase {};

// Takes the white space away from an end of a text.
struct Strip {
  bool left = true, right = true;
};

// Puts content before a text that is not empty.
struct Prepend {
  std::string content;
};

// Replaces every match.
struct Replace {
  Regex pattern;
  std::string content;
};

using NormalizerStep = std::variant<UnicodeForm, Lowercase, Strip, Prepend, Replace>;
using Normalizer = std::vector<NormalizerStep>;  // applied in order

// text must be valid UTF-8.
std::string normalize(const Normalizer& normalizer, std::string_view text);

}  // namespace weft
