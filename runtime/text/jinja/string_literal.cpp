#include "runtime/text/jinja/string_literal.h"

#include <unicode/uchar.h>

#include <charconv>
#include <cstdio>

#include "kernels/core/check.h"
#include "runtime/text/jinja/lexer.h"
#include "runtime/text/utf8.h"

namespace weft::jinja {
namespace {

class Unescaper {
 public:
  Unescaper(std::string_view literal, int line) : rest_(literal), line_(line) {}

  std::string run() {
    while (!rest_.empty()) {
      if (rest_[0] == '\\') {
        rest_.remove_prefix(1);
        escape();
      } else {
        out_ += take(1);
      }
    }
    return std::move(out_);
  }

 private:
  std::string_view take(size_t n) {
    const std::string_view taken = rest_.substr(0, n);
    rest_.remove_prefix(taken.size());
    return taken;
  }

  void escape() {
    static constexpr std::string_view letters = "ntrbfav\\'\"", values = "\n\t\r\b\f\a\v\\'\"";
    const char c = rest_[0];
    if (const size_t known = letters.find(c); known != letters.npos) {
      take(1);
      out_ += values[known];
    } else if (c == '\n') {  // joins the lines
      take(1);
    } else if (c >= '0' && c <= '7') {
      size_t digits = 1;
      while (digits < 3 && digits < rest_.size() && rest_[digits] >= '0' && rest_[digits] <= '7') ++digits;
      append(take(digits), 8);
    } else if (c == 'x' || c == 'u' || c == 'U') {
      take(1);
      const std::string_view digits = take(c == 'x' ? 2 : c == 'u' ? 4 : 8);
      if (digits.size() < (c == 'x' ? 2u : c == 'u' ? 4u : 8u)) broken(c);
      append(digits, 16);
    } else if (c == 'N') {
      take(1);
      named();
    } else if (static_cast<unsigned char>(c) < 0x80) {  // no escape: the backslash stays
      out_ += '\\';
    } else {  // Jinja hands other characters to Python as escapes of their own, which the backslash before takes apart
      const Utf8Char character = utf8_at(rest_, 0);
      take(character.length);
      char text[12];
      const char* form = character.value < 0x100 ? "\\x%02x" : character.value < 0x10000 ? "\\u%04x" : "\\U%08x";
      std::snprintf(text, sizeof text, form, static_cast<unsigned>(character.value));
      out_ += text;
    }
  }

  void append(std::string_view digits, int base) {
    uint32_t value = 0;
    if (std::from_chars(digits.data(), digits.data() + digits.size(), value, base).ptr != digits.data() + digits.size()) {
      template_error(line_, cat("a string has the broken escape \\", base == 16 ? "x, \\u or \\U: " : "", digits));
    }
    if (value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) {
      template_error(line_, cat("a string has an escape that is not a character: ", digits));
    }
    append_utf8(out_, value);
  }

  void named() {
    const size_t end = rest_.find('}');
    if (!rest_.starts_with('{') || end == rest_.npos) broken('N');
    const std::string name(take(end + 1).substr(1, end - 1));
    for (const UCharNameChoice choice : {U_UNICODE_CHAR_NAME, U_CHAR_NAME_ALIAS}) {
      UErrorCode error = U_ZERO_ERROR;
      const UChar32 value = u_charFromName(choice, name.c_str(), &error);
      if (U_SUCCESS(error)) return append_utf8(out_, static_cast<char32_t>(value));
    }
    template_error(line_, "no character has the name '" + name + "'");
  }

  [[noreturn]] void broken(char c) const { template_error(line_, cat("a string has a broken escape \\", c)); }

  std::string_view rest_;
  int line_;
  std::string out_;
};

}  // namespace

std::string unescape(std::string_view literal, int line) { return Unescaper(literal, line).run(); }

}  // namespace weft::jinja
