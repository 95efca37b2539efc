#include <utility>

#include "runtime/text/jinja/evaluator.h"
#include "runtime/text/jinja/functions.h"
#include "runtime/text/jinja/iterate.h"
#include "runtime/text/jinja/loop.h"
#include "runtime/text/jinja/markup.h"
#include "runtime/text/jinja/operators.h"
#include "runtime/text/jinja/repr.h"

namespace weft::jinja {

std::string Evaluator::run() {
  execute(program_);
  return std::move(out_);
}

Evaluator::Flow Evaluator::execute(const Block& block) {
  for (const Stmt& stmt : block) {
    if (const Flow flow = execute(stmt); flow != Flow::next) return flow;
  }
  return Flow::next;
}

Evaluator::Flow Evaluator::execute(const Stmt& stmt) {
  const Depth depth;
  spend(1);
  rendering_.line = stmt.line;
  switch (stmt.kind) {
    case Stmt::text: write(stmt.name); break;
    case Stmt::output: {
      const Value value = evaluate(*stmt.expr);
      write(rendering_.autoescape ? escaped(value) : value.text() != nullptr ? value.text()->bytes : to_text(value));
      break;
    }
    case Stmt::if_chain: return execute(truth(evaluate(*stmt.expr)) ? stmt.body : stmt.otherwise);
    case Stmt::for_loop: return execute_for(stmt);
    case Stmt::set: assign(*stmt.target, evaluate(*stmt.expr)); break;
    case Stmt::set_block: return execute_set_block(stmt);
    case Stmt::with: return execute_with(stmt);
    case Stmt::macro: scope_->set(stmt.name, make_macro(stmt)); break;
    case Stmt::call_block: execute_call_block(stmt); break;
    case Stmt::filter_block: return execute_filter_block(stmt);
    case Stmt::autoescape: return execute_autoescape(stmt);
    case Stmt::block: execute_block(stmt); break;
    case Stmt::load: fail("'", stmt.name, "' needs another template, and a chat template has none beside it");
    case Stmt::break_loop: return Flow::break_loop;
    case Stmt::continue_loop: return Flow::continue_loop;
  }
  return Flow::next;
}

Evaluator::Flow Evaluator::in_scope(std::shared_ptr<Scope> scope, const Block& body) {
  std::shared_ptr<Scope> outer = std::exchange(scope_, std::move(scope));
  const Flow flow = execute(body);
  scope_ = std::move(outer);
  return flow;
}

Evaluator::Flow Evaluator::execute_for(const Stmt& stmt) {
  const Value items = evaluate(*stmt.expr);
  if (!stmt.recursive) return run_loop(stmt, items, 0);
  // The body is a function that writes where it is called: leaving it leaves nothing else.
  run_loop(stmt, items, 0);
  return Flow::next;
}

Evaluator::Flow Evaluator::run_loop(const Stmt& stmt, const Value& items, int64_t depth) {
  std::shared_ptr<Iterator> source = iterate(items, "the for loop");
  std::optional<int64_t> size;
  if (stmt.condition != nullptr) {
    source = filtered(stmt, std::move(source));
  } else if (items.object() == nullptr) {
    size = length_of(items, "the for loop");
  } else {
    size = items.object()->length();
  }
  Loop::Recurse recurse;
  if (stmt.recursive) {
    recurse = [this, &stmt, scope = scope_](const Value& inner, int64_t inner_depth) {
      std::shared_ptr<Scope> caller = std::exchange(scope_, scope);
      std::string outer = std::exchange(out_, {});
      run_loop(stmt, inner, inner_depth);
      scope_ = std::move(caller);
      return written_text(std::exchange(out_, std::move(outer)));
    };
  }
  const auto loop = std::make_shared<Loop>(std::move(source), size, depth, std::move(recurse));
  const std::shared_ptr<Scope> scope = inner_scope(), outer = std::exchange(scope_, scope);
  bool any = false;
  for (Value item; loop->next(item);) {
    any = true;
    scope->clear();
    scope->set("loop", Value(loop));
    assign(*stmt.target, std::move(item));
    if (execute(stmt.body) == Flow::break_loop) break;
    rendering_.line = stmt.line;
  }
  scope_ = outer;
  scope->clear();
  loop->clear();
  return any ? Flow::next : in_scope(inner_scope(), stmt.otherwise);
}

// The items that `if` behind the loop lets through, each tried when the loop comes to it.
std::shared_ptr<Iterator> Evaluator::filtered(const Stmt& loop, std::shared_ptr<Iterator> items) {
  return generate(None{}, [this, &loop, items = std::move(items), scope = inner_scope()](Value& out) {
    while (items->next(out)) {
      const std::shared_ptr<Scope> outer = std::exchange(scope_, scope);
      scope->clear();
      assign(*loop.target, out);
      const bool passes = truth(evaluate(*loop.condition));
      scope_ = outer;
      if (passes) return true;
    }
    return false;
  });
}

void Evaluator::assign(const Expr& target, Value value) {
  if (target.kind == Expr::variable) return scope_->set(target.name, std::move(value));
  if (target.kind == Expr::attribute) {
    const Value object = look_up(target.args[0]->name);
    auto* space = dynamic_cast<Namespace*>(object.object());
    if (space == nullptr) fail("'", target.args[0]->name, "' is not a namespace: its attributes cannot be set");
    return space->set(target.name, std::move(value));
  }
  std::vector<Value> parts = items_of(value, "an assignment to several names");
  if (parts.size() != target.args.size()) fail(target.args.size(), " names cannot take ", parts.size(), " values");
  for (size_t i = 0; i < parts.size(); ++i) assign(*target.args[i], std::move(parts[i]));
}

Evaluator::Flow Evaluator::execute_set_block(const Stmt& stmt) {
  std::string outer_text = std::exchange(out_, {});
  const std::shared_ptr<Scope> outer = scope_;
  const Flow flow = in_scope(inner_scope(), stmt.body);
  Value text = written_text(std::exchange(out_, std::move(outer_text)));
  if (flow != Flow::next) return flow;
  if (stmt.expr != nullptr) {
    filtered_text_ = std::move(text);
    const Value result = evaluate(*stmt.expr);
    text = rendering_.autoescape ? Value(to_text(result), true) : result;
  }
  assign(*stmt.target, std::move(text));
  return flow;
}

Evaluator::Flow Evaluator::execute_with(const Stmt& stmt) {
  std::vector<Value> values;  // none of them sees the names of the others
  for (const auto& binding : stmt.bindings) values.push_back(evaluate(*binding.second));
  const std::shared_ptr<Scope> scope = inner_scope(), outer = std::exchange(scope_, scope);
  for (size_t i = 0; i < values.size(); ++i) assign(*stmt.bindings[i].first, std::move(values[i]));
  scope_ = outer;
  return in_scope(scope, stmt.body);
}

Evaluator::Flow Evaluator::execute_filter_block(const Stmt& stmt) {
  std::string outer = std::exchange(out_, {});
  const Flow flow = in_scope(inner_scope(), stmt.body);
  Value text = written_text(std::exchange(out_, std::move(outer)));
  if (flow != Flow::next) return flow;
  filtered_text_ = std::move(text);
  const Value result = evaluate(*stmt.expr);
  if (result.text() == nullptr) fail("the filter of a block gives a ", type_name(result), ", not a string");
  write(result.text()->bytes);
  return flow;
}

Evaluator::Flow Evaluator::execute_autoescape(const Stmt& stmt) {
  const bool outer = std::exchange(rendering_.autoescape, truth(evaluate(*stmt.expr)));
  const Flow flow = in_scope(inner_scope(), stmt.body);
  rendering_.autoescape = outer;
  return flow;
}

void Evaluator::execute_call_block(const Stmt& stmt) {
  const Value caller = make_macro(stmt);
  Arguments arguments = arguments_of(*stmt.expr);
  arguments.named.emplace_back("caller", caller);
  const Value result = compute_call(*stmt.expr, std::move(arguments));
  if (result.text() == nullptr) fail("what 'call' calls gives a ", type_name(result), ", not a string");
  write(result.text()->bytes);
}

// Blocks see the names at the top of the template only, unless they are scoped, and escape nothing.
void Evaluator::execute_block(const Stmt& stmt) {
  const bool outer = std::exchange(rendering_.autoescape, false);
  in_scope(std::make_shared<Scope>(stmt.scoped ? scope_ : top_), stmt.body);
  rendering_.autoescape = outer;
}

void Evaluator::write(std::string_view text) {
  expect_text_size(out_.size() + text.size());
  spend_bytes(text.size());
  out_ += text;
}

Value Evaluator::written_text(std::string text) const { return {std::move(text), rendering_.autoescape}; }

}  // namespace weft::jinja
