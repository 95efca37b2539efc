#include "runtime/text/jinja/expression_parser.h"

#include <algorithm>
#include <charconv>

namespace weft::jinja {
namespace {

// a.b.c and 1+1+1 are trees of one level a word; the evaluator and the destructor recurse into them.
constexpr int kMaxTreeDepth = 500;

}  // namespace

void ExpressionParser::add(Expr& parent, ExprPtr child) const {
  if (child != nullptr) parent.depth = std::max(parent.depth, child->depth + 1);
  if (parent.depth > kMaxTreeDepth) fail(cat("an expression of more than ", kMaxTreeDepth, " levels of nesting"));
  parent.args.push_back(std::move(child));
}

ExprPtr ExpressionParser::parse_expressions(Conditional conditional, std::string_view end) {
  ExprPtr first = parse_expression(conditional);
  if (!at_symbol(",")) return first;
  ExprPtr tuple = make(Expr::tuple, {}, std::move(first));
  while (take_symbol(",")) {
    const bool ends = peek().kind == TokenKind::output_end || peek().kind == TokenKind::block_end || at_symbol(")");
    if (ends || (!end.empty() && at_name(end))) break;
    add(*tuple, parse_expression(conditional));
  }
  return tuple;
}

ExprPtr ExpressionParser::parse_expression(Conditional conditional) {
  const Level level(*this);
  ExprPtr value = parse_or();
  while (conditional == Conditional::allowed && take_name("if")) {
    ExprPtr condition = parse_or();
    ExprPtr otherwise = take_name("else") ? parse_expression() : nullptr;
    value = make(Expr::conditional, {}, std::move(value), std::move(condition), std::move(otherwise));
  }
  return value;
}

ExprPtr ExpressionParser::parse_target(std::string_view end, bool attributes) {
  const Level level(*this);
  const auto parse_one = [&] {
    if (attributes && peek().kind == TokenKind::name && peek(1).text == "." && peek(1).kind == TokenKind::symbol) {
      ExprPtr space = parse_name();
      take_symbol(".");
      ExprPtr target = make(Expr::attribute, name_token(), std::move(space));
      return target;
    }
    ExprPtr target = parse_primary();
    expect_assignable(*target);
    return target;
  };
  ExprPtr first = parse_one();
  if (!at_symbol(",")) return first;
  ExprPtr tuple = make(Expr::tuple, {}, std::move(first));
  while (take_symbol(",") && peek().kind != TokenKind::block_end && !at_name(end)) add(*tuple, parse_one());
  return tuple;
}

void ExpressionParser::expect_assignable(const Expr& target) const {
  if (target.kind == Expr::tuple) {
    for (const ExprPtr& item : target.args) expect_assignable(*item);
  } else if (target.kind != Expr::variable) {
    template_error(target.line, "only names, and tuples of names, can be assigned to");
  }
}

ExprPtr ExpressionParser::parse_or() {
  ExprPtr left = parse_and();
  while (take_name("or")) left = make(Expr::logical, "or", std::move(left), parse_and());
  return left;
}

ExprPtr ExpressionParser::parse_and() {
  ExprPtr left = parse_not();
  while (take_name("and")) left = make(Expr::logical, "and", std::move(left), parse_not());
  return left;
}

ExprPtr ExpressionParser::parse_not() {
  const Level level(*this);
  return take_name("not") ? make(Expr::negation, {}, parse_not()) : parse_comparison();
}

ExprPtr ExpressionParser::parse_comparison() {
  ExprPtr first = parse_sum();
  std::string op = take_comparison();
  if (op.empty()) return first;
  ExprPtr chain = make(Expr::comparison, {}, std::move(first));
  for (; !op.empty(); op = take_comparison()) {
    chain->operators.push_back(op);
    add(*chain, parse_sum());
  }
  return chain;
}

std::string ExpressionParser::take_comparison() {
  for (const char* symbol : {"==", "!=", "<=", ">=", "<", ">"}) {
    if (take_symbol(symbol)) return symbol;
  }
  if (take_name("in")) return "in";
  if (at_name("not") && peek(1).kind == TokenKind::name && peek(1).text == "in") {
    at_ += 2;
    return "not in";
  }
  return {};
}

ExprPtr ExpressionParser::parse_left(std::initializer_list<const char*> operators, ExprPtr (ExpressionParser::*tighter)()) {
  ExprPtr left = (this->*tighter)();
  for (;;) {
    const auto found = std::ranges::find_if(operators, [&](const char* name) { return at_symbol(name); });
    if (found == operators.end()) return left;
    ++at_;
    left = make(Expr::arithmetic, *found, std::move(left), (this->*tighter)());
  }
}
ExprPtr ExpressionParser::parse_sum() { return parse_left({"+", "-"}, &ExpressionParser::parse_concat); }
ExprPtr ExpressionParser::parse_product() { return parse_left({"*", "//", "/", "%"}, &ExpressionParser::parse_power); }
ExprPtr ExpressionParser::parse_power() { return parse_left({"**"}, &ExpressionParser::parse_filtered_unary); }

ExprPtr ExpressionParser::parse_concat() {
  ExprPtr first = parse_product();
  if (!at_symbol("~")) return first;
  ExprPtr concat = make(Expr::concat, {}, std::move(first));
  while (take_symbol("~")) add(*concat, parse_product());
  return concat;
}

// A filter binds looser than a sign before its operand, and tighter than every other operator.
ExprPtr ExpressionParser::parse_filtered_unary() {
  ExprPtr value = parse_unary();
  for (;;) {
    if (at_symbol("|")) {
      value = parse_filters(std::move(value));
    } else if (take_name("is")) {
      value = parse_test(std::move(value));
    } else if (at_symbol("(")) {
      value = make(Expr::call, {}, std::move(value));
      parse_arguments(*value);
    } else {
      return value;
    }
  }
}

ExprPtr ExpressionParser::parse_unary() {
  const Level level(*this);
  for (const char* sign : {"-", "+"}) {
    if (take_symbol(sign)) return parse_postfix(make(Expr::sign, sign, parse_unary()));
  }
  return parse_postfix(parse_primary());
}

ExprPtr ExpressionParser::parse_primary() {
  switch (peek().kind) {
    case TokenKind::name: return parse_name();
    case TokenKind::integer:
    case TokenKind::real: return parse_number();
    case TokenKind::string: {
      ExprPtr literal = make(Expr::literal);
      std::string text;
      while (peek().kind == TokenKind::string) text += take().text;
      literal->value = std::move(text);
      return literal;
    }
    default: break;
  }
  if (take_symbol("(")) return parse_parentheses();
  if (take_symbol("[")) return parse_list();
  if (take_symbol("{")) return parse_dict();
  fail("expected an expression, found " + describe(peek()));
}

ExprPtr ExpressionParser::parse_number() {
  ExprPtr literal = make(Expr::literal);
  const Token token = take();
  const char* const end = token.text.data() + token.text.size();
  if (token.kind == TokenKind::real) {
    double value = 0;
    if (std::from_chars(token.text.data(), end, value).ec != std::errc()) {
      template_error(token.line, "the number " + token.text + " is out of range");
    }
    literal->value = value;
    return literal;
  }
  const char mark = token.text.size() > 2 ? static_cast<char>(token.text[1] | 0x20) : '\0';
  const int base = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 10;
  int64_t value = 0;
  if (std::from_chars(token.text.data() + (base == 10 ? 0 : 2), end, value, base).ec != std::errc()) {
    template_error(token.line, "the number " + token.text + " is beyond 64 bits");
  }
  literal->value = value;
  return literal;
}

ExprPtr ExpressionParser::parse_name() {
  ExprPtr expr = make(Expr::literal);
  const std::string name = take().text;
  if (name == "true" || name == "True") {
    expr->value = true;
  } else if (name == "false" || name == "False") {
    expr->value = false;
  } else if (name == "none" || name == "None") {
    expr->value = None{};
  } else {
    expr->kind = Expr::variable;
    expr->name = name;
    for (Signature* signature : signatures_) {
      signature->uses_caller |= name == "caller";
      signature->uses_varargs |= name == "varargs";
      signature->uses_kwargs |= name == "kwargs";
    }
  }
  return expr;
}

ExprPtr ExpressionParser::parse_parentheses() {
  if (take_symbol(")")) return make(Expr::tuple);
  ExprPtr inner = parse_expressions();
  expect_symbol(")");
  return inner;
}

ExprPtr ExpressionParser::parse_list() {
  ExprPtr list = make(Expr::list);
  while (!take_symbol("]")) {
    if (!list->args.empty()) expect_symbol(",");
    if (take_symbol("]")) break;
    add(*list, parse_expression());
  }
  return list;
}

ExprPtr ExpressionParser::parse_dict() {
  ExprPtr dict = make(Expr::dict);
  while (!take_symbol("}")) {
    if (!dict->args.empty()) expect_symbol(",");
    if (take_symbol("}")) break;
    add(*dict, parse_expression());
    expect_symbol(":");
    add(*dict, parse_expression());
  }
  return dict;
}

ExprPtr ExpressionParser::parse_postfix(ExprPtr value) {
  for (;;) {
    if (take_symbol(".")) {
      value = parse_member(std::move(value));
    } else if (take_symbol("[")) {
      value = parse_subscript(std::move(value));
    } else if (at_symbol("(")) {
      value = make(Expr::call, {}, std::move(value));
      parse_arguments(*value);
    } else {
      return value;
    }
  }
}

ExprPtr ExpressionParser::parse_member(ExprPtr value) {
  if (peek().kind != TokenKind::integer) return make(Expr::attribute, name_token(), std::move(value));
  ExprPtr place = parse_number();
  return make(Expr::item, {}, std::move(value), std::move(place));
}

ExprPtr ExpressionParser::parse_subscript(ExprPtr value) {
  ExprPtr index;
  if (!at_symbol("]")) index = parse_subscript_item();
  if (index == nullptr || at_symbol(",")) {
    ExprPtr tuple = make(Expr::tuple);
    if (index != nullptr) add(*tuple, std::move(index));
    while (take_symbol(",")) add(*tuple, parse_subscript_item());
    index = std::move(tuple);
  }
  expect_symbol("]");
  return make(Expr::item, {}, std::move(value), std::move(index));
}

ExprPtr ExpressionParser::parse_subscript_item() {
  const auto part = [&] { return at_symbol(":") || at_symbol("]") || at_symbol(",") ? nullptr : parse_expression(); };
  ExprPtr first = at_symbol(":") ? nullptr : parse_expression();
  if (!take_symbol(":")) return first;
  ExprPtr second = part();
  ExprPtr third = take_symbol(":") ? part() : nullptr;
  return make(Expr::slice, {}, std::move(first), std::move(second), std::move(third));
}

void ExpressionParser::parse_arguments(Expr& call) {
  expect_symbol("(");
  const auto require = [&](bool in_order) {
    if (!in_order) fail("an argument of this kind cannot follow those before it");
  };
  for (bool first = true; !take_symbol(")"); first = false) {
    if (!first) expect_symbol(",");
    if (!first && take_symbol(")")) break;
    if (take_symbol("*")) {
      require(call.star == nullptr && call.double_star == nullptr);
      call.star = parse_expression();
    } else if (take_symbol("**")) {
      require(call.double_star == nullptr);
      call.double_star = parse_expression();
    } else if (peek().kind == TokenKind::name && peek(1).kind == TokenKind::symbol && peek(1).text == "=") {
      require(call.double_star == nullptr);
      std::string name = take().text;
      ++at_;
      if (std::ranges::find(call.named, name, [](const auto& n) { return n.first; }) != call.named.end()) {
        fail("the argument '" + name + "' is given twice");
      }
      call.named.emplace_back(std::move(name), parse_expression());
    } else {
      require(call.star == nullptr && call.double_star == nullptr && call.named.empty());
      add(call, parse_expression());
    }
  }
}

std::string ExpressionParser::dotted_name() {
  std::string name = name_token();
  while (take_symbol(".")) name.append(".").append(name_token());
  return name;
}

ExprPtr ExpressionParser::parse_filters(ExprPtr value, bool inline_first) {
  while (inline_first || take_symbol("|")) {
    inline_first = false;
    std::string name = dotted_name();
    value = make(Expr::filter, std::move(name), std::move(value));
    if (at_symbol("(")) parse_arguments(*value);
  }
  return value;
}

ExprPtr ExpressionParser::parse_test(ExprPtr value) {
  const bool negated = take_name("not");
  std::string name = dotted_name();
  ExprPtr test = make(Expr::test, std::move(name), std::move(value));
  // One argument may stand without parentheses.
  const bool begins_operand = peek().kind == TokenKind::string || peek().kind == TokenKind::integer ||
                              peek().kind == TokenKind::real || at_symbol("[") || at_symbol("{") ||
                              (peek().kind == TokenKind::name && !at_name("else") && !at_name("or") && !at_name("and"));
  if (at_symbol("(")) {
    parse_arguments(*test);
  } else if (begins_operand) {
    if (at_name("is")) fail("a test cannot follow a test");
    add(*test, parse_postfix(parse_primary()));
  }
  return negated ? make(Expr::negation, {}, std::move(test)) : std::move(test);
}

}  // namespace weft::jinja
