#pragma once
// The tokens of a template and a place in them: what the parsers of expressions and statements share.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/core/check.h"
#include "runtime/text/jinja/lexer.h"

namespace weft::jinja {

// Of statements and expressions: bounds the recursion of the parsers.
inline constexpr int kMaxNesting = 200;

class TokenStream {
 protected:
  explicit TokenStream(std::string_view source) : tokens_(lex(source)) {}

  // One more level of nesting for as long as it lives.
  class Level {
   public:
    explicit Level(TokenStream& stream) : stream_(stream) {
      if (++stream.nesting_ > kMaxNesting) stream.fail(cat("more than ", kMaxNesting, " levels of nesting"));
    }
    ~Level() { --stream_.nesting_; }

   private:
    TokenStream& stream_;
  };

  const Token& peek(size_t ahead = 0) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }
  Token take() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
  [[noreturn]] void fail(const std::string& message) const { template_error(peek().line, message); }

  static std::string describe(const Token& token) {
    switch (token.kind) {
      case TokenKind::output_end:
      case TokenKind::block_end: return "the end of the tag";
      case TokenKind::end: return "the end of the template";
      default: return "'" + token.text + "'";
    }
  }
  bool at_symbol(std::string_view text) const { return peek().kind == TokenKind::symbol && peek().text == text; }
  bool at_name(std::string_view text) const { return peek().kind == TokenKind::name && peek().text == text; }
  bool take_symbol(std::string_view text) { return at_symbol(text) && (++at_, true); }
  bool take_name(std::string_view text) { return at_name(text) && (++at_, true); }
  void expect_symbol(std::string_view text) {
    if (!take_symbol(text)) fail(cat("expected '", text, "', found ", describe(peek())));
  }
  void expect_name(std::string_view text) {
    if (!take_name(text)) fail(cat("expected '", text, "', found ", describe(peek())));
  }
  void expect(TokenKind kind) {
    if (take().kind != kind) {
      --at_;
      fail(cat("unexpected ", describe(peek())));
    }
  }
  std::string name_token() {
    if (peek().kind != TokenKind::name) fail("expected a name, found " + describe(peek()));
    return take().text;
  }

  std::vector<Token> tokens_;
  size_t at_ = 0;
  int nesting_ = 0;
};

}  // namespace weft::jinja
