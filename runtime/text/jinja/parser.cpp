#include <algorithm>
#include <utility>

#include "runtime/text/jinja/expression_parser.h"

namespace weft::jinja {
namespace {

class Parser : ExpressionParser {
 public:
  explicit Parser(std::string_view source) : ExpressionParser(source) {}

  Block run() {
    Block block = parse_block({});
    if (peek().kind != TokenKind::end) fail("unexpected '{% " + peek(1).text + " %}'");
    return block;
  }

 private:
  // Up to a block tag that begins with one of `ends`, which is left in place.
  Block parse_block(const std::vector<std::string_view>& ends) {
    const Level level(*this);
    Block block;
    while (peek().kind != TokenKind::end) {
      if (peek().kind == TokenKind::text) {
        const Token token = take();
        block.push_back({.kind = Stmt::text, .line = token.line, .name = token.text});
      } else if (peek().kind == TokenKind::output_begin) {
        const int line = take().line;
        block.push_back({.kind = Stmt::output, .line = line, .expr = parse_expression()});
        expect(TokenKind::output_end);
      } else {
        const std::string_view name = peek(1).text;
        if (std::ranges::find(ends, name) != ends.end() || name.starts_with("end") || name == "else" || name == "elif") {
          return block;
        }
        parse_statement(block);
      }
    }
    return block;
  }

  void parse_statement(Block& block) {
    Stmt stmt{.kind = Stmt::text, .line = take().line};
    const std::string name = name_token();
    if (name == "if") {
      block.push_back(parse_if(std::move(stmt)));
    } else if (name == "for") {
      block.push_back(parse_for(std::move(stmt)));
    } else if (name == "set") {
      block.push_back(parse_set(std::move(stmt)));
    } else if (name == "macro") {
      block.push_back(parse_macro(std::move(stmt)));
    } else if (name == "break" || name == "continue") {
      if (loops_ == 0) template_error(stmt.line, "'" + name + "' outside a loop");
      stmt.kind = name == "break" ? Stmt::break_loop : Stmt::continue_loop;
      expect(TokenKind::block_end);
      block.push_back(std::move(stmt));
    } else if (name == "generation") {  // marks what a model wrote, for training: its body is plain output
      expect(TokenKind::block_end);
      for (Stmt& inner : parse_body("endgeneration")) block.push_back(std::move(inner));
    } else {
      template_error(stmt.line, "the statement '" + name + "' is not supported");
    }
  }

  Block parse_body(std::string_view end) {
    Block body = parse_block({end});
    expect_end(end);
    return body;
  }

  void expect_end(std::string_view end) {
    if (peek().kind != TokenKind::block_begin || peek(1).text != end) {
      fail(cat("expected '{% ", end, " %}', found ",
               peek().kind == TokenKind::block_begin ? "'{% " + peek(1).text + " %}'" : describe(peek())));
    }
    at_ += 2;
    expect(TokenKind::block_end);
  }

  Stmt parse_if(Stmt stmt) {
    const Level level(*this);
    stmt.kind = Stmt::if_chain;
    stmt.expr = parse_expression();
    expect(TokenKind::block_end);
    stmt.body = parse_block({"elif", "else", "endif"});
    if (peek(1).text == "elif" && peek().kind == TokenKind::block_begin) {
      Stmt inner{.kind = Stmt::if_chain, .line = take().line};
      ++at_;
      stmt.otherwise.push_back(parse_if(std::move(inner)));
      return stmt;  // the inner one has taken the endif
    }
    parse_else(stmt, "endif");
    return stmt;
  }

  void parse_else(Stmt& stmt, std::string_view end) {
    if (peek().kind == TokenKind::block_begin && peek(1).text == "else") {
      at_ += 2;
      expect(TokenKind::block_end);
      stmt.otherwise = parse_block({end});
    }
    expect_end(end);
  }

  Stmt parse_for(Stmt stmt) {
    stmt.kind = Stmt::for_loop;
    const bool bracket = take_symbol("(");
    do stmt.targets.push_back(name_token());
    while (take_symbol(","));
    if (bracket) expect_symbol(")");
    expect_name("in");
    stmt.expr = parse_or();
    if (take_name("if")) stmt.condition = parse_expression();
    if (at_name("recursive")) fail("recursive loops are not supported");
    expect(TokenKind::block_end);
    ++loops_;
    stmt.body = parse_block({"else", "endfor"});
    --loops_;
    parse_else(stmt, "endfor");
    return stmt;
  }

  Stmt parse_set(Stmt stmt) {
    stmt.kind = Stmt::set;
    stmt.targets.push_back(name_token());
    if (take_symbol(".")) stmt.targets.push_back(name_token());
    if (at_symbol(",")) fail("assignment to several names is not supported");
    if (take_symbol("=")) {
      stmt.expr = parse_expression_list();
      expect(TokenKind::block_end);
      return stmt;
    }
    stmt.kind = Stmt::set_block;
    if (at_symbol("|")) fail("a filter on a set block is not supported");
    expect(TokenKind::block_end);
    stmt.body = parse_body("endset");
    return stmt;
  }

  Stmt parse_macro(Stmt stmt) {
    stmt.kind = Stmt::macro;
    stmt.name = name_token();
    expect_symbol("(");
    while (!take_symbol(")")) {
      if (!stmt.targets.empty()) expect_symbol(",");
      stmt.targets.push_back(name_token());
      stmt.defaults.push_back(take_symbol("=") ? parse_expression() : nullptr);
    }
    expect(TokenKind::block_end);
    const int loops = std::exchange(loops_, 0);
    stmt.body = parse_body("endmacro");
    loops_ = loops;
    return stmt;
  }

  int loops_ = 0;  // around the statement that is being parsed
};

}  // namespace

Block parse(std::string_view source) { return Parser(source).run(); }

}  // namespace weft::jinja
