#pragma once
// Parses expressions; one function a level of binding, from the loosest to the tightest.
#include <string>
#include <utility>
#include <vector>

#include "runtime/text/jinja/ast.h"
#include "runtime/text/jinja/token_stream.h"

namespace weft::jinja {

class ExpressionParser : protected TokenStream {
 protected:
  using TokenStream::TokenStream;

  ExprPtr parse_expression_list();
  ExprPtr parse_expression();
  ExprPtr parse_or();

 private:
  ExprPtr parse_and();
  ExprPtr parse_not();
  ExprPtr parse_compare();
  ExprPtr parse_left(const std::vector<const char*>& operators, ExprPtr (ExpressionParser::*tighter)());
  ExprPtr parse_sum();
  ExprPtr parse_concat();
  ExprPtr parse_product();
  ExprPtr parse_power();
  ExprPtr parse_filtered_unary();
  ExprPtr parse_unary();
  ExprPtr parse_primary();
  static double parse_real(const Token& token);
  ExprPtr parse_name();
  ExprPtr parse_parentheses();
  ExprPtr parse_list();
  ExprPtr parse_dict();
  ExprPtr parse_postfix(ExprPtr value);
  ExprPtr parse_subscript(ExprPtr value);
  void parse_arguments(Expr& call);
  ExprPtr parse_filters(ExprPtr value);
  ExprPtr parse_test(ExprPtr value);

  ExprPtr make(Expr::Kind kind, std::string name = {}) const {
    return std::make_unique<Expr>(Expr{.kind = kind, .line = peek().line, .name = std::move(name)});
  }
  template <class... Args>
  ExprPtr make_with(Expr::Kind kind, std::string name, Args... args) const {
    ExprPtr expr = make(kind, std::move(name));
    (expr->args.push_back(std::move(args)), ...);
    return expr;
  }
};

}  // namespace weft::jinja
