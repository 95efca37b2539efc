#include "runtime/text/oniguruma_reader.h"

#include <cctype>
#include <charconv>

#include "kernels/core/check.h"
#include "runtime/text/utf8.h"

namespace weft {
namespace {

constexpr char32_t kMaxCodePoint = 0x10FFFF;

}  // namespace

void PatternReader::refuse(std::string_view what) const {
  bad_input("the tokenizer's regular expression '", pattern_, "' cannot be used: ", what, " is not supported");
}

bool PatternReader::take(std::string_view text) {
  if (!next_is(text)) return false;
  at_ += text.size();
  return true;
}

char32_t PatternReader::take_character() {
  if (at_end()) refuse("a pattern that ends in the middle of an escape, group or class");
  const Utf8Char c = utf8_at(pattern_, at_);
  if (c.status != Utf8Status::valid) refuse("a pattern that is not UTF-8");
  at_ += c.length;
  return c.value;
}

std::string_view PatternReader::take_until(std::string_view end) {
  const size_t found = pattern_.find(end, at_);
  if (found == pattern_.npos) refuse(cat("a group without its '", end, "'"));
  const std::string_view text = pattern_.substr(at_, found - at_);
  at_ = found + end.size();
  return text;
}

std::optional<char32_t> PatternReader::coded_character(char32_t c) {
  switch (c) {
    case 't': return 0x09;
    case 'n': return 0x0A;
    case 'v': return 0x0B;
    case 'f': return 0x0C;
    case 'r': return 0x0D;
    case 'a': return 0x07;
    case 'e': return 0x1B;
    case 'u': return number(4, 4, 16);
    case 'x':
      if (take("{")) return braced_number(16);
      return std::isxdigit(static_cast<unsigned char>(peek())) ? one_byte(number(1, 2, 16)) : U'x';
    case 'o':
      if (take("{")) return braced_number(8);
      return std::nullopt;
    case '0': return one_byte(number(0, 2, 8));
    case 'c': return take_character() & 0x1F;
    default: return std::nullopt;
  }
}

char32_t PatternReader::one_byte(char32_t value) const {
  if (value > 0x7F) refuse("a byte above 7F that is written as a number");
  return value;
}

char32_t PatternReader::number(size_t least, size_t most, int base) {
  const std::string_view digits = pattern_.substr(at_, most);
  uint32_t value = 0;
  const char* end = std::from_chars(digits.data(), digits.data() + digits.size(), value, base).ptr;
  const size_t length = end - digits.data();
  if (length < least || value > kMaxCodePoint || (value >= 0xD800 && value < 0xE000)) refuse("a number of no character");
  at_ += length;
  return value;
}

char32_t PatternReader::braced_number(int base) {
  const char32_t value = number(1, 11, base);
  if (!take("}")) refuse("a list of character numbers");
  return value;
}

CharacterSet PatternReader::property(bool negated) {
  if (!take("{")) refuse("\\p without braces");
  if (take("^")) negated = !negated;
  const std::string_view name = take_until("}");
  auto set = property_set(name);
  if (!set) refuse(cat("the property '", name, "'"));
  set->negated ^= negated;
  set->folds |= negated;
  return *set;
}

}  // namespace weft
