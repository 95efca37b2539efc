#include "runtime/text/jinja/expression_parser.h"

#include <algorithm>
#include <charconv>

#include "runtime/text/jinja/builtins.h"

namespace weft::jinja {

ExprPtr ExpressionParser::parse_expression_list() {
  ExprPtr first = parse_expression();
  if (!at_symbol(",")) return first;
  ExprPtr tuple = make_with(Expr::list, {}, std::move(first));
  while (take_symbol(",")) tuple->args.push_back(parse_expression());
  return tuple;
}

ExprPtr ExpressionParser::parse_expression() {
  const Level level(*this);
  ExprPtr value = parse_or();
  while (take_name("if")) {
    ExprPtr condition = parse_or();
    ExprPtr otherwise = take_name("else") ? parse_expression() : nullptr;
    value = make_with(Expr::conditional, {}, std::move(value), std::move(condition), std::move(otherwise));
  }
  return value;
}

ExprPtr ExpressionParser::parse_or() {
  ExprPtr left = parse_and();
  while (take_name("or")) left = make_with(Expr::binary, "or", std::move(left), parse_and());
  return left;
}

ExprPtr ExpressionParser::parse_and() {
  ExprPtr left = parse_not();
  while (take_name("and")) left = make_with(Expr::binary, "and", std::move(left), parse_not());
  return left;
}

ExprPtr ExpressionParser::parse_not() {
  const Level level(*this);
  return take_name("not") ? make_with(Expr::unary, "not", parse_not()) : parse_compare();
}

// A chain "a < b < c" is "a < b and b < c" in Jinja; no template needs it, and evaluating b twice would be
// wrong.
ExprPtr ExpressionParser::parse_compare() {
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

ExprPtr ExpressionParser::parse_left(const std::vector<const char*>& operators, ExprPtr (ExpressionParser::*tighter)()) {
  ExprPtr left = (this->*tighter)();
  for (;;) {
    const auto found = std::ranges::find_if(operators, [&](const char* name) { return at_symbol(name); });
    if (found == operators.end()) return left;
    ++at_;
    left = make_with(Expr::binary, *found, std::move(left), (this->*tighter)());
  }
}
ExprPtr ExpressionParser::parse_sum() { return parse_left({"+", "-"}, &ExpressionParser::parse_concat); }
ExprPtr ExpressionParser::parse_concat() { return parse_left({"~"}, &ExpressionParser::parse_product); }
ExprPtr ExpressionParser::parse_product() { return parse_left({"*", "//", "/", "%"}, &ExpressionParser::parse_power); }
ExprPtr ExpressionParser::parse_power() { return parse_left({"**"}, &ExpressionParser::parse_filtered_unary); }

ExprPtr ExpressionParser::parse_filtered_unary() { return parse_filters(parse_unary()); }

ExprPtr ExpressionParser::parse_unary() {
  const Level level(*this);
  for (const char* sign : {"-", "+"}) {
    if (take_symbol(sign)) return make_with(Expr::unary, sign, parse_unary());
  }
  return parse_postfix(parse_primary());
}

ExprPtr ExpressionParser::parse_primary() {
  const Token token = peek();
  switch (token.kind) {
    case TokenKind::name: return parse_name();
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
    default: break;
  }
  if (take_symbol("(")) return parse_parentheses();
  if (take_symbol("[")) return parse_list();
  if (take_symbol("{")) return parse_dict();
  fail("expected an expression, found " + describe(token));
}

double ExpressionParser::parse_real(const Token& token) {
  double value = 0;
  const char* end = token.text.data() + token.text.size();
  if (std::from_chars(token.text.data(), end, value).ec != std::errc()) {
    template_error(token.line, "the number " + token.text + " is out of range");
  }
  return value;
}

ExprPtr ExpressionParser::parse_name() {
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

ExprPtr ExpressionParser::parse_parentheses() {
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

ExprPtr ExpressionParser::parse_list() {
  ExprPtr list = make(Expr::list);
  while (!take_symbol("]")) {
    if (!list->args.empty()) expect_symbol(",");
    if (take_symbol("]")) break;
    list->args.push_back(parse_expression());
  }
  return list;
}

ExprPtr ExpressionParser::parse_dict() {
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

ExprPtr ExpressionParser::parse_postfix(ExprPtr value) {
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

ExprPtr ExpressionParser::parse_subscript(ExprPtr value) {
  ExprPtr parts[3];
  bool is_slice = false;
  for (int i = 0; i < 3; ++i) {
    if (!at_symbol(":") && !at_symbol("]")) parts[i] = parse_expression();
    if (!take_symbol(":")) break;
    is_slice = true;
  }
  expect_symbol("]");
  if (is_slice) {
    return make_with(Expr::slice, {}, std::move(value), std::move(parts[0]), std::move(parts[1]), std::move(parts[2]));
  }
  if (parts[0] == nullptr) fail("an empty subscript");
  return make_with(Expr::index, {}, std::move(value), std::move(parts[0]));
}

void ExpressionParser::parse_arguments(Expr& call) {
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

ExprPtr ExpressionParser::parse_filters(ExprPtr value) {
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

ExprPtr ExpressionParser::parse_test(ExprPtr value) {
  const bool negated = take_name("not");
  const std::string name = name_token();
  if (!is_test(name)) fail("the test '" + name + "' is not supported");
  ExprPtr test = make_with(Expr::test, name, std::move(value));
  const bool begins_operand = peek().kind == TokenKind::string || peek().kind == TokenKind::integer ||
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

}  // namespace weft::jinja
