#pragma once
// Cuts a template into text and the tokens inside {{ }} and {% %}.
#include <string>
#include <string_view>
#include <vector>

namespace weft::jinja {

enum class TokenKind {
  text,          // outside tags, white space already trimmed
  output_begin,  // {{
  output_end,    // }}
  block_begin,   // {%
  block_end,     // %}
  name,
  string,  // unescaped
  integer,
  real,
  symbol,  // an operator or punctuation
  end,
};

struct Token {
  TokenKind kind;
  std::string text;
  int line;  // from 1
};

// White space around tags as transformers sets Jinja up: trim_blocks, lstrip_blocks, no newline kept at the
// end.
std::vector<Token> lex(std::string_view source);

[[noreturn]] void template_error(int line, std::string_view message);

}  // namespace weft::jinja
