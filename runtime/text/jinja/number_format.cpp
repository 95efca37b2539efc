#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "runtime/text/jinja/format.h"
#include "runtime/text/jinja/rendering.h"
#include "runtime/text/jinja/repr.h"

namespace weft::jinja {
namespace {

// Beyond this a double has no digits but zeros.
constexpr int64_t kMaxPrecision = 1'100;

std::string integer_digits(int64_t value, const NumberFormat& format) {
  const uint64_t size = value < 0 ? uint64_t{0} - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  const char type = format.type;
  const int base = type == 'b' ? 2 : type == 'o' ? 8 : type == 'x' || type == 'X' ? 16 : 10;
  char buffer[72];
  std::string digits(buffer, std::to_chars(buffer, buffer + sizeof buffer, size, base).ptr);
  if (type == 'X') std::ranges::transform(digits, digits.begin(), [](char c) { return static_cast<char>(std::toupper(c)); });
  return digits;
}

std::string real_digits(double size, const NumberFormat& format) {
  const bool upper = format.type == 'E' || format.type == 'F' || format.type == 'G';
  if (!std::isfinite(size)) {
    const std::string text = std::isnan(size) ? upper ? "NAN" : "nan" : upper ? "INF" : "inf";
    return format.type == '%' ? text + "%" : text;
  }
  if (format.type == 'r' && format.precision < 0) return number_text(size);
  if (format.precision > kMaxPrecision) fail("a precision of more than ", kMaxPrecision, " digits");
  const bool percent = format.type == '%';
  const char type = percent ? 'f' : format.type == 'r' ? 'g' : format.type;
  const int precision = format.precision < 0 ? 6 : static_cast<int>(format.precision);
  const std::string form = std::string("%") + (format.alternate ? "#" : "") + ".*" + type;
  const double value = percent ? size * 100 : size;
  std::string text(static_cast<size_t>(std::snprintf(nullptr, 0, form.c_str(), precision, value)), '\0');
  std::snprintf(text.data(), text.size() + 1, form.c_str(), precision, value);
  return percent ? text + "%" : text;
}

void group(std::string& digits, char separator, int width) {
  const size_t whole = std::min(digits.find_first_of(".eE%"), digits.size());
  for (size_t at = whole; at > static_cast<size_t>(width);) digits.insert(at -= width, 1, separator);
}

}  // namespace

std::pair<std::string, std::string> number_parts(const Value& number, const NumberFormat& format) {
  const bool whole = number.is_integer() && std::string_view("dboxX").find(format.type) != std::string_view::npos;
  const bool negative = whole ? number.integer() < 0 : std::signbit(number.number());
  std::string sign = negative && !std::isnan(number.number()) ? "-" : format.sign == '-' ? "" : std::string(1, format.sign);
  std::string digits = whole ? integer_digits(number.integer(), format) : real_digits(std::fabs(number.number()), format);
  if (format.grouping != '\0' && std::isfinite(number.number())) {
    group(digits, format.grouping, whole && format.type != 'd' ? 4 : 3);
  }
  if (whole && format.alternate && format.type != 'd') sign += {'0', format.type};
  return {sign, digits};
}

}  // namespace weft::jinja
