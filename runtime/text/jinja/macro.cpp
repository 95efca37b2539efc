#include <algorithm>

#include "runtime/text/jinja/evaluator.h"

namespace weft::jinja {

Value Evaluator::make_macro(const Stmt& stmt) {
  rendering_.keep(scope_);  // it may come to hold the macro that holds it
  return std::make_shared<Macro>(*this, stmt, scope_);
}

Value Evaluator::call_macro(const Macro& macro, const Arguments& arguments) {
  const Depth depth;
  const Signature& signature = macro.stmt().signature;
  const std::vector<std::string>& names = signature.names;
  std::vector<std::pair<std::string, Value>> named = arguments.named;
  const auto take_named = [&](std::string_view name) -> std::optional<Value> {
    const auto found = std::ranges::find(named, name, &std::pair<std::string, Value>::first);
    if (found == named.end()) return std::nullopt;
    Value value = std::move(found->second);
    named.erase(found);
    return value;
  };
  const size_t given = std::min(arguments.positional.size(), names.size());
  std::vector<std::optional<Value>> values(arguments.positional.begin(),
                                           arguments.positional.begin() + static_cast<std::ptrdiff_t>(given));
  for (size_t i = given; i < names.size(); ++i) values.push_back(take_named(names[i]));

  const auto scope = std::make_shared<Scope>(macro.scope());
  const auto has_parameter = [&](std::string_view name) { return std::ranges::find(names, name) != names.end(); };
  if (signature.uses_caller && !has_parameter("caller")) {
    const auto caller = take_named("caller");
    scope->set("caller", caller && !caller->is_none() ? *caller : Value::undefined("no caller is defined"));
  }
  if (signature.uses_kwargs && !has_parameter("kwargs")) {
    Dict rest;
    for (auto& [name, value] : named) rest.set(name, std::move(value));
    scope->set("kwargs", Value::dict(std::move(rest)));
  } else if (!named.empty()) {
    fail(macro.who(), " has no argument '", named[0].first, "'");
  }
  if (signature.uses_varargs && !has_parameter("varargs")) {
    scope->set("varargs", Value::tuple({arguments.positional.begin() + static_cast<std::ptrdiff_t>(given),
                                        arguments.positional.end()}));
  } else if (arguments.positional.size() > names.size()) {
    fail(macro.who(), " takes ", names.size(), " arguments, not ", arguments.positional.size());
  }

  const std::shared_ptr<Scope> caller_scope = std::exchange(scope_, scope);
  std::string outer = std::exchange(out_, {});
  for (size_t i = 0; i < names.size(); ++i) {  // a default may use the parameters before it
    if (values[i]) {
      scope->set(names[i], *values[i]);
    } else if (signature.defaults[i] != nullptr) {
      scope->set(names[i], evaluate(*signature.defaults[i]));
    } else {
      scope->set(names[i], Value::undefined("the parameter '" + names[i] + "' was not given"));
    }
  }
  execute(macro.stmt().body);
  scope_ = caller_scope;
  return written_text(std::exchange(out_, std::move(outer)));
}

std::optional<Value> Macro::attribute(std::string_view name) {
  const Signature& signature = stmt_.signature;
  const bool explicit_caller = std::ranges::find(signature.names, "caller") != signature.names.end();
  if (name == "name") return is_named() ? Value(stmt_.name) : Value(None{});
  if (name == "arguments") return Value::tuple({signature.names.begin(), signature.names.end()});
  if (name == "catch_kwargs") return signature.uses_kwargs;
  if (name == "catch_varargs") return signature.uses_varargs;
  if (name == "caller") return signature.uses_caller;
  if (name == "explicit_caller") return explicit_caller;
  return std::nullopt;
}

std::string Macro::who() const { return is_named() ? "the macro '" + stmt_.name + "'" : "the body of a call block"; }

std::string Macro::repr() { return is_named() ? "<Macro '" + stmt_.name + "'>" : "<Macro anonymous>"; }

}  // namespace weft::jinja
