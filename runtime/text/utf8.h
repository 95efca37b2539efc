#pragma once
// UTF-8 as Unicode chapter 3.9 (table 3-7) defines it: no overlong forms, no surrogates, nothing above
// U+10FFFF.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace weft {

enum class Utf8Status : uint8_t {
  valid,      // a whole character
  invalid,    // bytes that no character can begin with or continue with
  truncated,  // the text ends inside a character that could still become valid
};

// One character, or the longest broken beginning of one ("maximal subpart": the unit that one U+FFFD
// replaces).
struct Utf8Char {
  Utf8Status status;
  int length;      // bytes, at least 1
  char32_t value;  // U+FFFD unless valid
};
Utf8Char utf8_at(std::string_view text, size_t position);  // position < text.size()

// Offset of the first byte that is not part of a valid character; npos if all are.
size_t find_invalid_utf8(std::string_view text);

void append_utf8(std::string& out, char32_t value);

// Appends text with each broken part replaced by U+FFFD.
void append_utf8_lossy(std::string& out, std::string_view text);

inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";

}  // namespace weft
