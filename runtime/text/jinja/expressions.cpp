#include <utility>

#include "runtime/text/jinja/attributes.h"
#include "runtime/text/jinja/evaluator.h"
#include "runtime/text/jinja/functions.h"
#include "runtime/text/jinja/iterate.h"
#include "runtime/text/jinja/markup.h"
#include "runtime/text/jinja/named.h"
#include "runtime/text/jinja/operators.h"
#include "runtime/text/jinja/repr.h"

namespace weft::jinja {

Value Evaluator::evaluate(const Expr& e) {
  const Depth depth;
  spend(1);
  rendering_.line = e.line;
  return compute(e);
}

Value Evaluator::evaluate_or_none(const ExprPtr& e) { return e == nullptr ? Value(None{}) : evaluate(*e); }

Value Evaluator::compute(const Expr& e) {
  switch (e.kind) {
    case Expr::literal: return e.value;
    case Expr::variable: return look_up(e.name);
    case Expr::tuple: return Value::tuple(evaluate_all(e));
    case Expr::list: return Value::list(evaluate_all(e));
    case Expr::dict: return compute_dict(e);
    case Expr::attribute: return get_attribute(evaluate(*e.args[0]), e.name);
    case Expr::item: return compute_item(e);
    case Expr::slice: fail("a slice among other places");
    case Expr::call: return compute_call(e, arguments_of(e));
    case Expr::filter: return compute_filter(e);
    case Expr::test: return compute_test(e);
    case Expr::negation: return !truth(evaluate(*e.args[0]));
    case Expr::sign: return signed_value(e.name, evaluate(*e.args[0]));
    case Expr::logical: {
      const Value left = evaluate(*e.args[0]);
      return truth(left) == (e.name == "and") ? evaluate(*e.args[1]) : left;
    }
    case Expr::arithmetic: {
      const Value left = evaluate(*e.args[0]), right = evaluate(*e.args[1]);
      rendering_.line = e.line;
      return arithmetic(e.name, left, right);
    }
    case Expr::concat: return compute_concat(e);
    case Expr::comparison: return compute_comparison(e);
    case Expr::conditional:
      if (truth(evaluate(*e.args[1]))) return evaluate(*e.args[0]);
      return e.args[2] != nullptr ? evaluate(*e.args[2]) : Value::undefined("an 'if' without 'else' was false");
  }
  return {};
}

Value Evaluator::look_up(const std::string& name) const {
  if (const Value* value = scope_->find(name)) return *value;
  if (const Value* value = variables_.find(std::string_view(name))) return *value;
  return find_global(name).value_or(Value::undefined("'" + name + "' is undefined"));
}

std::vector<Value> Evaluator::evaluate_all(const Expr& e) {
  std::vector<Value> items;
  for (const ExprPtr& item : e.args) items.push_back(evaluate(*item));
  return items;
}

Value Evaluator::compute_dict(const Expr& e) {
  Dict dict;
  for (size_t i = 0; i < e.args.size(); i += 2) {
    Value key = evaluate(*e.args[i]);
    hash(key);
    dict.set(std::move(key), evaluate(*e.args[i + 1]));
  }
  return Value::dict(std::move(dict));
}

Value Evaluator::compute_item(const Expr& e) {
  const Value value = evaluate(*e.args[0]);
  const Expr& place = *e.args[1];
  if (place.kind != Expr::slice) return get_item(value, evaluate(place));
  const Value begin = evaluate_or_none(place.args[0]), end = evaluate_or_none(place.args[1]);
  const Value step = evaluate_or_none(place.args[2]);
  rendering_.line = e.line;
  return get_slice(value, begin, end, step);
}

Arguments Evaluator::arguments_of(const Expr& e) {
  Arguments result;
  for (size_t i = 1; i < e.args.size(); ++i) result.positional.push_back(evaluate(*e.args[i]));
  for (const auto& [name, value] : e.named) result.named.emplace_back(name, evaluate(*value));
  if (e.star != nullptr) {
    for (Value& item : items_of(evaluate(*e.star), "'*' before an argument")) result.positional.push_back(std::move(item));
  }
  if (e.double_star != nullptr) {
    const Value named = evaluate(*e.double_star);
    if (named.dict() == nullptr) fail("'**' before an argument needs a mapping, not ", type_name(named));
    for (const auto& [key, value] : named.dict()->items()) {
      if (key.text() == nullptr) fail("'**' before an argument needs names that are strings, not ", type_name(key));
      for (const auto& given : result.named) {
        if (given.first == key.text()->bytes) fail("the argument '", given.first, "' is given twice");
      }
      result.named.emplace_back(key.text()->bytes, value);
    }
  }
  return result;
}

Value Evaluator::compute_call(const Expr& e, Arguments arguments) {
  const Value callee = evaluate(*e.args[0]);
  rendering_.line = e.line;
  if (callee.is_undefined()) {
    if (callee.undefined()->why != nullptr && e.args[0]->kind == Expr::variable) {
      fail("the function '", e.args[0]->name, "' is not known");
    }
    fail_undefined(*callee.undefined());
  }
  if (callee.object() == nullptr) fail("a ", type_name(callee), " cannot be called");
  return callee.shared_object()->call(arguments);
}

Value Evaluator::compute_filter(const Expr& e) {
  const Value value = e.args[0] == nullptr ? filtered_text_ : evaluate(*e.args[0]);
  const Arguments arguments = arguments_of(e);
  rendering_.line = e.line;
  return apply_filter(e.name, value, arguments);
}

Value Evaluator::compute_test(const Expr& e) {
  const Value value = evaluate(*e.args[0]);
  const Arguments arguments = arguments_of(e);
  rendering_.line = e.line;
  return apply_test(e.name, value, arguments);
}

Value Evaluator::compute_concat(const Expr& e) {
  const std::vector<Value> parts = evaluate_all(e);
  bool safe = false;
  for (const Value& part : parts) safe |= part.is_safe() && rendering_.autoescape;
  std::string text;
  for (const Value& part : parts) {
    text += safe ? escaped(part) : to_text(part);
    expect_text_size(text.size());
  }
  return {std::move(text), safe};
}

Value Evaluator::compute_comparison(const Expr& e) {
  Value left = evaluate(*e.args[0]);
  for (size_t i = 0; i < e.operators.size(); ++i) {
    Value right = evaluate(*e.args[i + 1]);
    rendering_.line = e.line;
    if (!compare(e.operators[i], left, right)) return false;
    left = std::move(right);
  }
  return true;
}

}  // namespace weft::jinja
