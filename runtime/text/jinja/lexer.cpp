#include "runtime/text/jinja/lexer.h"

#include <algorithm>
#include <cctype>

#include "kernels/core/check.h"
#include "runtime/text/jinja/value.h"
#include "runtime/text/utf8.h"

namespace weft::jinja {
namespace {

// Bounds the depth of the expressions, and with it the recursion of the parser and the evaluator.
constexpr size_t kMaxTagTokens = 1000;

bool is_name_char(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

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
    std::string text(whole);
    const char sign = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
    if (!opening.empty() && sign == '-') {
      text = strip(text, "", false, true);
    } else if (!opening.empty() && sign != '+' && opening != "{{") {
      const size_t newline = text.rfind('\n');
      const size_t line = newline == std::string::npos ? 0 : newline + 1;
      if ((line > 0 || line_start_) && strip(text.substr(line), "", true, false).empty()) text.resize(line);
    }
    if (!text.empty()) push(TokenKind::text, std::move(text));
    advance(whole.size());
  }

  // Behind a tag that ends here with `closing`: "-" before it strips all white space that follows; a block or
  // comment takes the newline behind it unless "+" is before it.
  bool close(std::string_view closing, bool takes_newline) {
    const char sign = peek();
    const bool is_signed = sign == '-' || (sign == '+' && takes_newline);
    if (!rest(at_ + (is_signed ? 1 : 0)).starts_with(closing)) return false;
    advance(closing.size() + (is_signed ? 1 : 0));
    line_start_ = false;
    const auto skip = [&] {
      line_start_ = peek() == '\n';
      advance(1);
    };
    if (sign == '-') {
      while (at_ < source_.size() && is_space(static_cast<unsigned char>(peek()))) skip();
    } else if (takes_newline && !is_signed && peek() == '\n') {
      skip();
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
    int open = 0;  // brackets: inside a dict "}}" closes the dict
    while (at_ < source_.size()) {
      if (tokens_.size() - first > kMaxTagTokens) template_error(line, cat("a tag of more than ", kMaxTagTokens, " words"));
      if (open == 0 && close(block ? "%}" : "}}", block)) {
        push(block ? TokenKind::block_end : TokenKind::output_end, {});
        return;
      }
      const char c = peek();
      if (std::isspace(static_cast<unsigned char>(c))) {
        advance(1);
      } else if (is_digit(c)) {
        lex_number();
      } else if (is_name_char(c)) {
        const size_t begin = at_;
        while (is_name_char(peek())) ++at_;
        push(TokenKind::name, source_.substr(begin, at_ - begin));
      } else if (c == '\'' || c == '"') {
        lex_string(c);
      } else {
        open += lex_symbol();
      }
    }
    template_error(line, block ? "a {% tag is not closed" : "a {{ tag is not closed");
  }

  void lex_number() {
    std::string digits;
    const auto take_digits = [&] {
      for (; is_digit(peek()) || peek() == '_'; ++at_) {
        if (peek() != '_') digits.push_back(peek());
      }
    };
    take_digits();
    bool real = false;
    if (peek() == '.' && is_digit(peek(1))) {
      real = true;
      digits.push_back(source_[at_++]);
      take_digits();
    }
    const bool exponent_sign = peek(1) == '-' || peek(1) == '+';
    if ((peek() == 'e' || peek() == 'E') && is_digit(peek(exponent_sign ? 2 : 1))) {
      real = true;
      digits.append(source_, at_, exponent_sign ? 2 : 1);
      at_ += exponent_sign ? 2 : 1;
      take_digits();
    }
    if (digits.size() > 18) template_error(line_, "the number " + digits + " is too long");
    push(real ? TokenKind::real : TokenKind::integer, digits);
  }

  void lex_string(char quote) {
    std::string text;
    const int line = line_;
    for (advance(1); peek() != quote;) {
      if (at_ >= source_.size()) template_error(line, "a string is not closed");
      if (peek() == '\\') {
        lex_escape(text);
      } else {
        text.push_back(peek());
        advance(1);
      }
    }
    advance(1);
    push(TokenKind::string, std::move(text));
  }

  void lex_escape(std::string& text) {
    static constexpr std::string_view letters = "ntrbfav0\\'\"", values = {"\n\t\r\b\f\a\v\0\\'\"", 11};
    const char c = peek(1);
    const int hex_digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (hex_digits > 0) {
      const std::string hex(rest(at_ + 2).substr(0, hex_digits));
      if (hex.size() != static_cast<size_t>(hex_digits) || hex.find_first_not_of("0123456789abcdefABCDEF") != hex.npos) {
        template_error(line_, "a string has a broken escape \\" + std::string(1, c));
      }
      const unsigned long value = std::stoul(hex, nullptr, 16);
      if (value > 0x10FFFF || (value >= 0xD800 && value < 0xE000))
        template_error(line_, "\\" + (c + hex) + " is not a character");
      append_utf8(text, static_cast<char32_t>(value));
      advance(2 + hex_digits);
    } else if (const size_t known = letters.find(c); known != letters.npos) {
      text.push_back(values[known]);
      advance(2);
    } else {  // as in Python, the backslash stays
      text.push_back('\\');
      advance(1);
    }
  }

  // Returns +1 for an opening bracket, -1 for a closing one.
  int lex_symbol() {
    static constexpr std::string_view doubles[] = {"==", "!=", "<=", ">=", "//", "**"};
    static constexpr std::string_view singles = "+-*/%~<>=.,:|()[]{}";
    const std::string_view two = rest(at_).substr(0, 2);
    if (std::ranges::find(doubles, two) != std::end(doubles)) {
      push(TokenKind::symbol, std::string(two));
      at_ += 2;
      return 0;
    }
    const char c = peek();
    if (singles.find(c) == singles.npos) {
      template_error(line_, cat("unexpected character '", rest(at_).substr(0, utf8_at(source_, at_).length), "'"));
    }
    push(TokenKind::symbol, std::string(1, c));
    ++at_;
    if (c == '(' || c == '[' || c == '{') return 1;
    return c == ')' || c == ']' || c == '}' ? -1 : 0;
  }

  std::string source_;
  size_t at_ = 0;
  int line_ = 1;
  bool line_start_ = true;  // the text that follows begins a line
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> lex(std::string_view source) { return Lexer(source).run(); }

void template_error(int line, std::string_view message) { bad_input("chat template, line ", line, ": ", message); }

}  // namespace weft::jinja
