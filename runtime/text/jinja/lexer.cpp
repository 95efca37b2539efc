#include "runtime/text/jinja/lexer.h"

#include <unicode/uchar.h>

#include <algorithm>
#include <utility>

#include "kernels/core/check.h"
#include "runtime/text/jinja/string_literal.h"
#include "runtime/text/jinja/unicode.h"
#include "runtime/text/utf8.h"

namespace weft::jinja {
namespace {

constexpr size_t kMaxTagTokens = 20'000;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name_start(char32_t c) { return c == '_' || u_hasBinaryProperty(c, UCHAR_XID_START); }
bool is_name_part(char32_t c) { return c == '_' || u_hasBinaryProperty(c, UCHAR_XID_CONTINUE); }

class Lexer {
 public:
  explicit Lexer(std::string_view source) {
    for (size_t i = 0; i < source.size(); ++i) {
      const bool crlf = source[i] == '\r' && i + 1 < source.size() && source[i + 1] == '\n';
      if (!crlf) source_.push_back(source[i] == '\r' ? '\n' : source[i]);
    }
    if (source_.ends_with('\n')) source_.pop_back();
  }

  std::vector<Token> run() {
    while (at_ < source_.size()) {
      const size_t tag = find_tag();
      const std::string_view opening = rest(tag).substr(0, 2);
      lex_text(tag, opening);
      if (opening.empty()) break;
      if (opening == "{%" && skip_raw_tag("raw", false)) {
        lex_raw();
        continue;
      }
      at_ = tag + 2;
      if (peek() == '-' || peek() == '+') ++at_;
      opening == "{#" ? skip_comment() : lex_tag(opening == "{%");
    }
    push(TokenKind::end, {});
    return std::move(tokens_);
  }

 private:
  std::string_view rest(size_t from) const { return std::string_view(source_).substr(std::min(from, source_.size())); }
  char peek(size_t ahead = 0) const { return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0'; }
  void push(TokenKind kind, std::string text) { tokens_.push_back({kind, std::move(text), line_}); }
  void advance(size_t n) {
    line_ += static_cast<int>(std::ranges::count(rest(at_).substr(0, n), '\n'));
    at_ = std::min(at_ + n, source_.size());
  }

  size_t find_tag() const {
    for (size_t i = at_; (i = source_.find('{', i)) != std::string::npos; ++i) {
      const char next = i + 1 < source_.size() ? source_[i + 1] : '\0';
      if (next == '{' || next == '%' || next == '#') return i;
    }
    return source_.size();
  }

  // The text before a tag, which may strip white space at its end.
  void lex_text(size_t tag, std::string_view opening) {
    const std::string_view whole = rest(at_).substr(0, tag - at_);
    std::string_view text = whole;
    const char sign = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
    if (!opening.empty() && sign == '-') {
      text = strip(text, nullptr, false, true);
    } else if (!opening.empty() && sign != '+' && opening != "{{") {
      const size_t line = text.rfind('\n') + 1;  // 0 where there is none
      if ((line > 0 || line_start_) && strip(text.substr(line), nullptr, true, false).empty()) text = text.substr(0, line);
    }
    if (!text.empty()) push(TokenKind::text, std::string(text));
    advance(whole.size());
  }

  void skip_space() {
    while (at_ < source_.size()) {
      const Utf8Char c = utf8_at(source_, at_);
      if (!is_space(c.value)) return;
      line_start_ = c.value == '\n';
      advance(c.length);
    }
  }

  // {% raw %} and {% endraw %} are read as one word: what is between them is not cut into tokens.
  bool skip_raw_tag(std::string_view name, bool takes_newline) {
    const size_t begin = at_;
    const int line = line_;
    advance(2);
    if (peek() == '-' || peek() == '+') advance(1);
    skip_space();
    if (rest(at_).starts_with(name)) {
      advance(name.size());
      skip_space();
      if (!(peek() == '+' && !takes_newline) && close("%}", takes_newline)) return true;
    }
    at_ = begin;
    line_ = line;
    return false;
  }

  void lex_raw() {
    const int line = line_;
    for (size_t tag = at_; (tag = source_.find("{%", tag)) != std::string::npos; tag += 2) {
      const size_t begin = std::exchange(at_, tag);
      const int line_of_begin = line_;
      const bool line_start = line_start_;
      const bool ends = skip_raw_tag("endraw", true);
      const size_t end = std::exchange(at_, begin);
      const bool line_start_behind = std::exchange(line_start_, line_start);
      line_ = line_of_begin;
      if (!ends) continue;
      lex_text(tag, "{%");
      advance(end - at_);
      line_start_ = line_start_behind;
      return;
    }
    template_error(line, "a {% raw %} is not closed");
  }

  // Behind a tag that ends here with `closing`: "-" before it strips all white space that follows; a block or
  // comment takes the newline behind it unless "+" is before it.
  bool close(std::string_view closing, bool takes_newline) {
    const char sign = peek();
    const bool is_signed = sign == '-' || (sign == '+' && takes_newline);
    if (!rest(at_ + (is_signed ? 1 : 0)).starts_with(closing)) return false;
    advance(closing.size() + (is_signed ? 1 : 0));
    line_start_ = false;
    if (sign == '-') {
      skip_space();
    } else if (takes_newline && !is_signed && peek() == '\n') {
      line_start_ = true;
      advance(1);
    }
    return true;
  }

  void skip_comment() {
    const int line = line_;
    while (at_ < source_.size()) {
      if (close("#}", true)) return;
      advance(1);
    }
    template_error(line, "a comment is not closed");
  }

  void lex_tag(bool block) {
    push(block ? TokenKind::block_begin : TokenKind::output_begin, {});
    const int line = line_;
    const size_t first = tokens_.size();
    open_.clear();
    while (at_ < source_.size()) {
      if (tokens_.size() - first > kMaxTagTokens) template_error(line, cat("a tag of more than ", kMaxTagTokens, " words"));
      // Inside brackets "}}" and "%}" are operators.
      if (open_.empty() && close(block ? "%}" : "}}", block)) {
        push(block ? TokenKind::block_end : TokenKind::output_end, {});
        return;
      }
      const Utf8Char c = utf8_at(source_, at_);
      if (is_space(c.value)) {
        advance(c.length);
      } else if (is_digit(peek())) {
        lex_number();
      } else if (is_name_start(c.value)) {
        lex_name();
      } else if (c.value == '\'' || c.value == '"') {
        lex_string(peek());
      } else {
        lex_symbol();
      }
    }
    template_error(line, block ? "a {% tag is not closed" : "a {{ tag is not closed");
  }

  void lex_name() {
    const size_t begin = at_;
    while (at_ < source_.size() && is_name_part(utf8_at(source_, at_).value)) at_ += utf8_at(source_, at_).length;
    push(TokenKind::name, source_.substr(begin, at_ - begin));
  }

  // Digits that single underscores may part; none where the text does not begin with one.
  size_t digits_at(size_t from, std::string_view digits) const {
    size_t end = from;
    const auto is_one_of = [&](size_t i) { return i < source_.size() && digits.find(source_[i]) != digits.npos; };
    while (is_one_of(end) || (end > from && source_[end] == '_' && is_one_of(end + 1))) ++end;
    return end - from;
  }

  void lex_number() {
    static constexpr std::string_view decimal = "0123456789";
    const size_t whole = digits_at(at_, decimal);
    size_t end = at_ + whole;
    bool real = false;
    if (at_ == 0 || source_[at_ - 1] != '.') {  // a number behind a dot is a place: x.0.1
      const size_t fraction = end < source_.size() && source_[end] == '.' ? digits_at(end + 1, decimal) : 0;
      if (fraction > 0) end += 1 + fraction;
      const char sign = end + 1 < source_.size() ? source_[end + 1] : '\0';
      const size_t power = end + (sign == '-' || sign == '+' ? 2 : 1);
      const bool has_power = end < source_.size() && (source_[end] | 0x20) == 'e' && digits_at(power, decimal) > 0;
      if (has_power) end = power + digits_at(power, decimal);
      real = fraction > 0 || has_power;
    }
    if (!real) end = at_ + integer_length(whole);
    std::string text = source_.substr(at_, end - at_);
    std::erase(text, '_');
    push(real ? TokenKind::real : TokenKind::integer, std::move(text));
    at_ = end;
  }

  // 0x, 0o and 0b as in Python; no other number begins with 0.
  size_t integer_length(size_t decimal_length) const {
    if (peek() != '0') return decimal_length;
    const char base = static_cast<char>(peek(1) | 0x20);
    const std::string_view digits = base == 'x' ? "0123456789abcdefABCDEF" : base == 'o' ? "01234567" : "01";
    const size_t begin = at_ + 2 + (peek(2) == '_' ? 1 : 0);
    const size_t length = base == 'x' || base == 'o' || base == 'b' ? digits_at(begin, digits) : 0;
    return length > 0 ? begin + length - at_ : digits_at(at_, "0");
  }

  void lex_string(char quote) {
    const int line = line_;
    const size_t begin = at_ + 1;
    for (advance(1); peek() != quote || at_ >= source_.size(); advance(peek() == '\\' ? 2 : 1)) {
      if (at_ >= source_.size()) template_error(line, "a string is not closed");
    }
    push(TokenKind::string, unescape(std::string_view(source_).substr(begin, at_ - begin), line));
    advance(1);
  }

  void lex_symbol() {
    static constexpr std::string_view doubles[] = {"==", "!=", "<=", ">=", "//", "**"};
    static constexpr std::string_view singles = "+-*/%~<>=.,:|()[]{};";
    static constexpr std::string_view opening = "([{", closing = ")]}";
    const std::string_view two = rest(at_).substr(0, 2);
    if (std::ranges::find(doubles, two) != std::end(doubles)) {
      push(TokenKind::symbol, std::string(two));
      at_ += 2;
      return;
    }
    const char c = peek();
    if (singles.find(c) == singles.npos) {
      template_error(line_, cat("unexpected character '", rest(at_).substr(0, utf8_at(source_, at_).length), "'"));
    }
    if (opening.find(c) != opening.npos) {
      open_.push_back(c);
    } else if (const size_t kind = closing.find(c); kind != closing.npos) {
      if (open_.empty() || open_.back() != opening[kind]) template_error(line_, cat("unexpected '", c, "'"));
      open_.pop_back();
    }
    push(TokenKind::symbol, std::string(1, c));
    ++at_;
  }

  std::string source_;
  size_t at_ = 0;
  int line_ = 1;
  bool line_start_ = true;  // the text that follows begins a line
  std::string open_;        // the brackets around this place, innermost last
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> lex(std::string_view source) { return Lexer(source).run(); }

void template_error(int line, std::string_view message) { bad_input("chat template, line ", line, ": ", message); }

}  // namespace weft::jinja
