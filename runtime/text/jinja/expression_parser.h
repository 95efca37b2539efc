#pragma once
// Parses expressions; one function a level of binding, from the loosest to the tightest.
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "runtime/text/jinja/ast.h"
#include "runtime/text/jinja/token_stream.h"

namespace weft::jinja {

class ExpressionParser : protected TokenStream {
 protected:
  using TokenStream::TokenStream;

  enum class Conditional { allowed, forbidden };  // "a if b else c": not where an `if` of the statement may follow

  // An expression, or a tuple of them without parentheses. end: a word that may follow its last comma.
  ExprPtr parse_expressions(Conditional conditional = Conditional::allowed, std::string_view end = {});
  ExprPtr parse_expression(Conditional conditional = Conditional::allowed);
  // What a value can be assigned to: names, tuples of them and, with attributes, those of namespaces.
  ExprPtr parse_target(std::string_view end, bool attributes);
  // Filters behind `value`; with `inline_first` the first has no `|` before it.
  ExprPtr parse_filters(ExprPtr value, bool inline_first = false);

  std::vector<Signature*> signatures_;  // of the macros around this place

 private:
  ExprPtr parse_or();
  ExprPtr parse_and();
  ExprPtr parse_not();
  ExprPtr parse_comparison();
  std::string take_comparison();
  ExprPtr parse_left(std::initializer_list<const char*> operators, ExprPtr (ExpressionParser::*tighter)());
  ExprPtr parse_sum();
  ExprPtr parse_concat();
  ExprPtr parse_product();
  ExprPtr parse_power();
  ExprPtr parse_filtered_unary();
  ExprPtr parse_unary();
  ExprPtr parse_primary();
  ExprPtr parse_number();
  ExprPtr parse_name();
  ExprPtr parse_parentheses();
  ExprPtr parse_list();
  ExprPtr parse_dict();
  ExprPtr parse_postfix(ExprPtr value);
  ExprPtr parse_member(ExprPtr value);
  ExprPtr parse_subscript(ExprPtr value);
  ExprPtr parse_subscript_item();
  void parse_arguments(Expr& call);
  ExprPtr parse_test(ExprPtr value);
  std::string dotted_name();
  void expect_assignable(const Expr& target) const;

  template <class... Args>
  ExprPtr make(Expr::Kind kind, std::string name, Args... args) const {
    ExprPtr expr = std::make_unique<Expr>(Expr{.kind = kind, .line = peek().line, .name = std::move(name)});
    (add(*expr, std::move(args)), ...);
    return expr;
  }
  ExprPtr make(Expr::Kind kind) const { return make(kind, {}); }
  void add(Expr& parent, ExprPtr child) const;
};

}  // namespace weft::jinja
