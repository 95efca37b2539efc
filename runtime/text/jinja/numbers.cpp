// Python's int() and float() of texts.
#include <charconv>
#include <cmath>

#include "runtime/text/jinja/filters.h"
#include "runtime/text/jinja/rendering.h"
#include "runtime/text/jinja/unicode.h"
#include "runtime/text/utf8.h"

#include <unicode/uchar.h>

namespace weft::jinja {
namespace {

// Without white space around it and single underscores between digits; digits of other scripts as ASCII.
std::optional<std::string> plain_number(std::string_view text) {
  text = strip(text, nullptr, true, true);
  std::string out;
  char last = '\0';
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = utf8_at(text, at);
    at += c.length;
    const int digit = u_charDigitValue(static_cast<UChar32>(c.value));
    const char plain = digit >= 0 ? static_cast<char>('0' + digit) : c.value < 0x80 ? static_cast<char>(c.value) : '?';
    if (plain == '_') {
      if (last == '\0' || last == '_' || std::isalnum(static_cast<unsigned char>(last)) == 0) return std::nullopt;
    } else {
      if (last == '_' && std::isalnum(static_cast<unsigned char>(plain)) == 0) return std::nullopt;
      out += plain;
    }
    last = plain;
  }
  if (out.empty() || last == '_') return std::nullopt;
  return out;
}

}  // namespace

std::optional<Value> parse_integer(std::string_view text, int64_t base) {
  if (base != 0 && (base < 2 || base > 36)) return std::nullopt;
  const auto plain = plain_number(text);
  if (!plain) return std::nullopt;
  std::string_view digits = *plain;
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.remove_prefix(1);
  if (digits.size() > 2 && digits[0] == '0') {
    const char mark = static_cast<char>(digits[1] | 0x20);
    const int64_t marked = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 0;
    if (marked != 0 && (base == marked || base == 0)) {
      base = marked;
      digits.remove_prefix(2);
    }
  }
  if (base == 0) {
    base = 10;
    if (digits.starts_with('0') && digits.find_first_not_of('0') != digits.npos) return std::nullopt;
  }
  if (digits.empty() || digits[0] == '-') return std::nullopt;
  uint64_t size = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), size, static_cast<int>(base));
  if (end != digits.data() + digits.size()) return std::nullopt;
  if (error == std::errc::result_out_of_range || size > static_cast<uint64_t>(INT64_MAX)) {
    fail("the integer ", text.substr(0, 40), " is beyond 64 bits");
  }
  return negative ? -static_cast<int64_t>(size) : static_cast<int64_t>(size);
}

std::optional<double> parse_real(std::string_view text) {
  const auto plain = plain_number(text);
  if (!plain) return std::nullopt;
  std::string_view digits = *plain;
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.remove_prefix(1);
  std::string lower(digits);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  double value = 0;
  if (lower == "inf" || lower == "infinity") {
    value = INFINITY;
  } else if (lower == "nan") {
    value = NAN;
  } else {
    const bool begins = !lower.empty() && (lower[0] == '.' || (lower[0] >= '0' && lower[0] <= '9'));
    const auto [end, error] = std::from_chars(lower.data(), lower.data() + lower.size(), value);
    if (!begins || end != lower.data() + lower.size()) return std::nullopt;
    // Too large gives infinity and too small gives 0; strtod tells which.
    if (error == std::errc::result_out_of_range) value = std::strtod(lower.c_str(), nullptr);
  }
  return negative ? -value : value;
}

}  // namespace weft::jinja
