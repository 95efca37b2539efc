#pragma once
// Runs a parsed template.
#include <memory>
#include <string>
#include <string_view>

#include "runtime/text/jinja/ast.h"
#include "runtime/text/jinja/scope.h"

namespace weft::jinja {

class Macro;

class Evaluator {
 public:
  // Both must outlive it; there must be a Rendering.
  Evaluator(const Block& program, const Dict& variables) : program_(program), variables_(variables) {}
  std::string run();

  Value call_macro(const Macro& macro, const Arguments& arguments);

 private:
  enum class Flow { next, break_loop, continue_loop };

  // Statements.
  Flow execute(const Block& block);
  Flow execute(const Stmt& stmt);
  Flow execute_for(const Stmt& stmt);
  Flow run_loop(const Stmt& stmt, const Value& items, int64_t depth);
  Flow execute_set_block(const Stmt& stmt);
  Flow execute_with(const Stmt& stmt);
  Flow execute_filter_block(const Stmt& stmt);
  Flow execute_autoescape(const Stmt& stmt);
  void execute_call_block(const Stmt& stmt);
  void execute_block(const Stmt& stmt);
  void assign(const Expr& target, Value value);
  std::shared_ptr<Iterator> filtered(const Stmt& loop, std::shared_ptr<Iterator> items);
  Flow in_scope(std::shared_ptr<Scope> scope, const Block& body);
  std::shared_ptr<Scope> inner_scope() const { return std::make_shared<Scope>(scope_); }
  Value make_macro(const Stmt& stmt);
  void write(std::string_view text);
  Value written_text(std::string text) const;  // of a macro or a block: safe where texts are escaped

  // Expressions.
  Value evaluate(const Expr& e);
  Value evaluate_or_none(const ExprPtr& e);
  Value compute(const Expr& e);
  Value look_up(const std::string& name) const;
  Value compute_dict(const Expr& e);
  Value compute_item(const Expr& e);
  Value compute_call(const Expr& e, Arguments arguments);
  Value compute_filter(const Expr& e);
  Value compute_test(const Expr& e);
  Value compute_concat(const Expr& e);
  Value compute_comparison(const Expr& e);
  std::vector<Value> evaluate_all(const Expr& e);
  Arguments arguments_of(const Expr& e);

  const Block& program_;
  const Dict& variables_;
  Rendering& rendering_ = Rendering::current();
  std::shared_ptr<Scope> top_ = std::make_shared<Scope>(nullptr);
  std::shared_ptr<Scope> scope_ = top_;
  std::string out_;
  Value filtered_text_;  // what the filters of a block begin with
};

// A macro, and the body of a call block, which has no name.
class Macro : public Object {
 public:
  Macro(Evaluator& evaluator, const Stmt& stmt, std::shared_ptr<Scope> scope)
      : evaluator_(evaluator), stmt_(stmt), scope_(std::move(scope)) {}

  std::string type() const override { return "Macro"; }
  bool callable() const override { return true; }
  Value call(const Arguments& arguments) override { return evaluator_.call_macro(*this, arguments); }
  std::optional<Value> attribute(std::string_view name) override;
  std::string repr() override;

  const Stmt& stmt() const { return stmt_; }
  const std::shared_ptr<Scope>& scope() const { return scope_; }
  std::string who() const;

 private:
  bool is_named() const { return stmt_.kind == Stmt::macro; }

  Evaluator& evaluator_;
  const Stmt& stmt_;
  std::shared_ptr<Scope> scope_;  // where it is written
};

}  // namespace weft::jinja
