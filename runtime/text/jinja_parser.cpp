#include <algorithm>
#include <charconv>

#include "kernels/core/check.h"
#include "runtime/text/jinja_ast.h"
#include "runtime/text/jinja_builtins.h"
#include "runtime/text/jinja_lexer.h"

namespace weft::jinja {
namespace {

constexpr int kMaxNesting =
    200;  // of statements and expressions: bounds the recursion here and in the evaluator

class Parser {
 public:
  explicit Parser(std::string_view source) : tokens_(lex(source)) {}

  Block run() {
    Block block = parse_block({});
    if (peek().kind != TokenKind::end) fail("unexpected '{% " + peek(1).text + " %}'");
    return block;
  }

 private:
  // One more level of nesting for as long as it lives.
  class Level {
   public:
    explicit Level(Parser& parser) : parser_(parser) {
      if (++parser.nesting_ > kMaxNesting) parser.fail(cat("more than ", kMaxNesting, " levels of nesting"));
    }
    ~Level() { --parser_.nesting_; }

   private:
    Parser& parser_;
  };

  const Token& peek(size_t ahead = 0) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }
  Token take() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
  [[noreturn]] void fail(const std::string& message) const { template_error(peek().line, message); }

  static std::string describe(const Token& token) {
    switch (token.kind) {
      case TokenKind::output_end:
      case TokenKind::block_end:
        return "the end of the tag";
      case TokenKind::end:
        return "the end of the template";
      default:
        return "'" + token.text + "'";
    }
  }
  bool at_symbol(std::string_view text) const {
    return peek().kind == TokenKind::symbol && peek().text == text;
  }
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
  ExprPtr make(Expr::Kind kind, std::string name = {}) const {
    return std::make_unique<Expr>(Expr{.kind = kind, .line = peek().line, .name = std::move(name)});
  }
  template <class... Args>
  ExprPtr make_with(Expr::Kind kind, std::string name, Args... args) const {
    ExprPtr expr = make(kind, std::move(name));
    (expr->args.push_back(std::move(args)), ...);
    return expr;
  }

  // Statements.

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
        if (std::ranges::find(ends, name) != ends.end() || name.starts_with("end") || name == "else" ||
            name == "elif") {
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

  // Expressions, loosest binding first.

  ExprPtr parse_expression_list() {
    ExprPtr first = parse_expression();
    if (!at_symbol(",")) return first;
    ExprPtr tuple = make_with(Expr::list, {}, std::move(first));
    while (take_symbol(",")) tuple->args.push_back(parse_expression());
    return tuple;
  }

  ExprPtr parse_expression() {
    const Level level(*this);
    ExprPtr value = parse_or();
    while (take_name("if")) {
      ExprPtr condition = parse_or();
      ExprPtr otherwise = take_name("else") ? parse_expression() : nullptr;
      value = make_with(Expr::conditional, {}, std::move(value), std::move(condition), std::move(otherwise));
    }
    return value;
  }

  ExprPtr parse_or() {
    ExprPtr left = parse_and();
    while (take_name("or")) left = make_with(Expr::binary, "or", std::move(left), parse_and());
    return left;
  }

  ExprPtr parse_and() {
    ExprPtr left = parse_not();
    while (take_name("and")) left = make_with(Expr::binary, "and", std::move(left), parse_not());
    return left;
  }

  ExprPtr parse_not() {
    const Level level(*this);
    return take_name("not") ? make_with(Expr::unary, "not", parse_not()) : parse_compare();
  }

  // A chain "a < b < c" is "a < b and b < c" in Jinja; no template needs it, and evaluating b twice would be
  // wrong.
  ExprPtr parse_compare() {
    ExprPtr left = parse_sum();
    const auto operation = [&]() -> std::string {
      for (const char* symbol : {"==", "!=", "<=", ">=", "<", ">"}) {
        if (take_symbol(symbol)) return symbol;
      }
      if (take_name("in")) return "in";
      if (at_name("not") && peek(1).kind == TokenKind::name && peek(1).text == "in") {
        at_ += 2;
        return "not in";
      }
      return {};
    };
    const std::string name = operation();
    if (name.empty()) return left;
    ExprPtr result = make_with(Expr::binary, name == "not in" ? "in" : name, std::move(left), parse_sum());
    if (name == "not in") result = make_with(Expr::unary, "not", std::move(result));
    if (!operation().empty()) fail("a chain of comparisons is not supported");
    return result;
  }

  ExprPtr parse_left(const std::vector<const char*>& operators, ExprPtr (Parser::*tighter)()) {
    ExprPtr left = (this->*tighter)();
    for (;;) {
      const auto found = std::ranges::find_if(operators, [&](const char* name) { return at_symbol(name); });
      if (found == operators.end()) return left;
      ++at_;
      left = make_with(Expr::binary, *found, std::move(left), (this->*tighter)());
    }
  }
  ExprPtr parse_sum() { return parse_left({"+", "-"}, &Parser::parse_concat); }
  ExprPtr parse_concat() { return parse_left({"~"}, &Parser::parse_product); }
  ExprPtr parse_product() { return parse_left({"*", "//", "/", "%"}, &Parser::parse_power); }
  ExprPtr parse_power() { return parse_left({"**"}, &Parser::parse_filtered_unary); }

  ExprPtr parse_filtered_unary() { return parse_filters(parse_unary()); }

  ExprPtr parse_unary() {
    const Level level(*this);
    for (const char* sign : {"-", "+"}) {
      if (take_symbol(sign)) return make_with(Expr::unary, sign, parse_unary());
    }
    return parse_postfix(parse_primary());
  }

  ExprPtr parse_primary() {
    const Token token = peek();
    switch (token.kind) {
      case TokenKind::name:
        return parse_name();
      case TokenKind::string: {
        ExprPtr literal = make(Expr::literal);
        std::string text;
        while (peek().kind == TokenKind::string) text += take().text;
        literal->value = {std::move(text)};
        return literal;
      }
      case TokenKind::integer:
      case TokenKind::real: {
        ExprPtr literal = make(Expr::literal);
        if (token.kind == TokenKind::integer) {
          literal->value = {static_cast<int64_t>(std::stoll(token.text))};
        } else {
          literal->value = {parse_real(token)};
        }
        ++at_;
        return literal;
      }
      default:
        break;
    }
    if (take_symbol("(")) return parse_parentheses();
    if (take_symbol("[")) return parse_list();
    if (take_symbol("{")) return parse_dict();
    fail("expected an expression, found " + describe(token));
  }

  static double parse_real(const Token& token) {
    double value = 0;
    const char* end = token.text.data() + token.text.size();
    if (std::from_chars(token.text.data(), end, value).ec != std::errc()) {
      template_error(token.line, "the number " + token.text + " is out of range");
    }
    return value;
  }

  ExprPtr parse_name() {
    ExprPtr expr = make(Expr::literal);
    const std::string name = take().text;
    if (name == "true" || name == "True") {
      expr->value = {true};
    } else if (name == "false" || name == "False") {
      expr->value = {false};
    } else if (name == "none" || name == "None") {
      expr->value = {None{}};
    } else {
      expr->kind = Expr::variable;
      expr->name = name;
    }
    return expr;
  }

  ExprPtr parse_parentheses() {
    if (take_symbol(")")) return make(Expr::list);
    ExprPtr first = parse_expression();
    if (!at_symbol(",")) {
      expect_symbol(")");
      return first;
    }
    ExprPtr tuple = make_with(Expr::list, {}, std::move(first));
    while (take_symbol(",") && !at_symbol(")")) tuple->args.push_back(parse_expression());
    expect_symbol(")");
    return tuple;
  }

  ExprPtr parse_list() {
    ExprPtr list = make(Expr::list);
    while (!take_symbol("]")) {
      if (!list->args.empty()) expect_symbol(",");
      if (take_symbol("]")) break;
      list->args.push_back(parse_expression());
    }
    return list;
  }

  ExprPtr parse_dict() {
    ExprPtr dict = make(Expr::dict);
    while (!take_symbol("}")) {
      if (!dict->args.empty()) expect_symbol(",");
      if (take_symbol("}")) break;
      dict->args.push_back(parse_expression());
      expect_symbol(":");
      dict->args.push_back(parse_expression());
    }
    return dict;
  }

  ExprPtr parse_postfix(ExprPtr value) {
    for (;;) {
      if (take_symbol(".")) {
        value = make_with(Expr::attribute, name_token(), std::move(value));
      } else if (take_symbol("[")) {
        value = parse_subscript(std::move(value));
      } else if (at_symbol("(")) {
        value = make_with(Expr::call, {}, std::move(value));
        parse_arguments(*value);
      } else {
        return value;
      }
    }
  }

  ExprPtr parse_subscript(ExprPtr value) {
    ExprPtr parts[3];
    bool is_slice = false;
    for (int i = 0; i < 3; ++i) {
      if (!at_symbol(":") && !at_symbol("]")) parts[i] = parse_expression();
      if (!take_symbol(":")) break;
      is_slice = true;
    }
    expect_symbol("]");
    if (is_slice) {
      return make_with(Expr::slice, {}, std::move(value), std::move(parts[0]), std::move(parts[1]),
                       std::move(parts[2]));
    }
    if (parts[0] == nullptr) fail("an empty subscript");
    return make_with(Expr::index, {}, std::move(value), std::move(parts[0]));
  }

  void parse_arguments(Expr& call) {
    expect_symbol("(");
    for (bool first = true; !take_symbol(")"); first = false) {
      if (!first) expect_symbol(",");
      if (!first && take_symbol(")")) break;
      if (at_symbol("*") || at_symbol("**")) fail("unpacking arguments is not supported");
      if (peek().kind == TokenKind::name && peek(1).kind == TokenKind::symbol && peek(1).text == "=") {
        std::string name = take().text;
        ++at_;
        call.kwargs.emplace_back(std::move(name), parse_expression());
      } else {
        call.args.push_back(parse_expression());
      }
    }
  }

  ExprPtr parse_filters(ExprPtr value) {
    for (;;) {
      if (take_symbol("|")) {
        const std::string name = name_token();
        if (!is_filter(name)) fail("the filter '" + name + "' is not supported");
        value = make_with(Expr::filter, name, std::move(value));
        if (at_symbol("(")) parse_arguments(*value);
      } else if (take_name("is")) {
        value = parse_test(std::move(value));
      } else {
        return value;
      }
    }
  }

  ExprPtr parse_test(ExprPtr value) {
    const bool negated = take_name("not");
    const std::string name = name_token();
    if (!is_test(name)) fail("the test '" + name + "' is not supported");
    ExprPtr test = make_with(Expr::test, name, std::move(value));
    const bool begins_operand =
        peek().kind == TokenKind::string || peek().kind == TokenKind::integer ||
        peek().kind == TokenKind::real || at_symbol("[") || at_symbol("{") ||
        (peek().kind == TokenKind::name && !at_name("else") && !at_name("or") && !at_name("and") &&
         !at_name("if") && !at_name("is") && !at_name("in") && !at_name("not"));
    if (at_symbol("(")) {
      parse_arguments(*test);
    } else if (begins_operand) {
      test->args.push_back(parse_postfix(parse_primary()));
    }
    return negated ? make_with(Expr::unary, "not", std::move(test)) : std::move(test);
  }

  std::vector<Token> tokens_;
  size_t at_ = 0;
  int nesting_ = 0;
  int loops_ = 0;
};

}  // namespace

Block parse(std::string_view source) {
  return Parser(source).run();
}

}  // namespace weft::jinja
