#include "runtime/text/jinja/evaluator.h"

#include <algorithm>
#include <cmath>

#include "kernels/core/check.h"
#include "runtime/text/jinja/builtins.h"
#include "runtime/text/jinja/lexer.h"

namespace weft::jinja {
namespace {

constexpr int64_t kMaxSteps = 1'000'000;       // evaluated nodes, and 256 bytes of text or an item of a list each
constexpr size_t kMaxText = size_t{64} << 20;  // bytes of one text or of the output
constexpr int kMaxCalls = 50;                  // macros within macros

enum class Flow { next, break_loop, continue_loop };

class Evaluator {
 public:
  explicit Evaluator(Dict globals) { scopes_.push_back(std::move(globals)); }

  std::string run(const Block& program) {
    execute(program);
    return std::move(out_);
  }

 private:
  // Statements.

  Flow execute(const Block& block) {
    for (const Stmt& stmt : block) {
      if (const Flow flow = execute(stmt); flow != Flow::next) return flow;
    }
    return Flow::next;
  }

  Flow execute(const Stmt& stmt) {
    spend(stmt.line, 1);
    switch (stmt.kind) {
      case Stmt::text: write(stmt.name, stmt.line); break;
      case Stmt::output: write(to_text(evaluate(*stmt.expr)), stmt.line); break;
      case Stmt::if_chain: return execute(truth(evaluate(*stmt.expr)) ? stmt.body : stmt.otherwise);
      case Stmt::for_loop: return execute_for(stmt);
      case Stmt::set: assign(stmt, evaluate(*stmt.expr)); break;
      case Stmt::set_block: assign(stmt, {capture(stmt.body)}); break;
      case Stmt::macro: macros_.emplace_back(stmt.name, &stmt); break;
      case Stmt::break_loop: return Flow::break_loop;
      case Stmt::continue_loop: return Flow::continue_loop;
    }
    return Flow::next;
  }

  Flow execute_for(const Stmt& stmt) {
    const Arguments where{.what = "the for loop", .line = stmt.line};
    List items = iterate(evaluate(*stmt.expr), where);
    spend(stmt.line, items.size());
    if (stmt.condition != nullptr) {
      std::erase_if(items, [&](const Value& item) {
        scopes_.push_back(bind(stmt, item));
        const bool keep = truth(evaluate(*stmt.condition));
        scopes_.pop_back();
        return !keep;
      });
    }
    if (items.empty()) return execute(stmt.otherwise);
    for (size_t i = 0; i < items.size(); ++i) {
      Dict scope = bind(stmt, items[i]);
      scope.emplace_back("loop", loop_value(items, i));
      scopes_.push_back(std::move(scope));
      const Flow flow = execute(stmt.body);
      scopes_.pop_back();
      if (flow == Flow::break_loop) break;
    }
    return Flow::next;
  }

  Dict bind(const Stmt& stmt, const Value& item) const {
    if (stmt.targets.size() == 1) return {{stmt.targets[0], item}};
    const List* parts = item.as_list();
    if (parts == nullptr || parts->size() != stmt.targets.size()) {
      template_error(stmt.line, cat("the loop takes ", stmt.targets.size(), " values at a time"));
    }
    Dict scope;
    for (size_t i = 0; i < parts->size(); ++i) scope.emplace_back(stmt.targets[i], (*parts)[i]);
    return scope;
  }

  static Value loop_value(const List& items, size_t i) {
    const auto number = [](size_t n) { return Value{static_cast<int64_t>(n)}; };
    const size_t n = items.size();
    return Value::dict({{"index", number(i + 1)},
                        {"index0", number(i)},
                        {"revindex", number(n - i)},
                        {"revindex0", number(n - i - 1)},
                        {"first", {i == 0}},
                        {"last", {i + 1 == n}},
                        {"length", number(n)},
                        {"previtem", i == 0 ? Value{} : items[i - 1]},
                        {"nextitem", i + 1 == n ? Value{} : items[i + 1]}});
  }

  static void put(Dict& dict, const std::string& name, Value value) {
    const auto found = std::ranges::find(dict, name, [](const auto& item) -> const std::string& { return item.first; });
    if (found != dict.end()) {
      found->second = std::move(value);
    } else {
      dict.emplace_back(name, std::move(value));
    }
  }

  void assign(const Stmt& stmt, Value value) {
    if (stmt.targets.size() == 1) return put(scopes_.back(), stmt.targets[0], std::move(value));
    const Value object = lookup(stmt.targets[0]);
    const auto* space = object.get<std::shared_ptr<Dict>>();
    if (space == nullptr)
      template_error(stmt.line, "'" + stmt.targets[0] + "' is not a namespace: its attributes cannot be set");
    // A namespace within itself would never be freed, and never end when it is written.
    if (value.as_dict() != nullptr || value.as_list() != nullptr) forbid_reference(value, space->get(), stmt.line);
    put(**space, stmt.targets[1], std::move(value));
  }

  void forbid_reference(const Value& value, const Dict* target, int line) {
    spend(line, 1);
    if (value.as_dict() == target) template_error(line, "a namespace cannot be put into itself");
    if (const List* list = value.as_list()) {
      for (const Value& item : *list) forbid_reference(item, target, line);
    }
    if (const Dict* dict = value.as_dict()) {
      for (const auto& item : *dict) forbid_reference(item.second, target, line);
    }
  }

  std::string capture(const Block& body) {
    std::string outer = std::exchange(out_, {});
    execute(body);
    return std::exchange(out_, std::move(outer));
  }

  void write(std::string_view text, int line) {
    spend(line, text.size() / 256);
    if (out_.size() + text.size() > kMaxText) template_error(line, "the text grows beyond 64 MiB");
    out_ += text;
  }

  void spend(int line, size_t steps) {
    steps_ += static_cast<int64_t>(steps);
    if (steps_ > kMaxSteps) template_error(line, cat("the template takes more than ", kMaxSteps, " steps"));
  }

  // Expressions.

  Value lookup(const std::string& name) const {
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
      if (const Value* value = find(*scope, name)) return *value;
    }
    return {};
  }

  Value evaluate(const Expr& e) {
    spend(e.line, 1);
    Value value = compute(e);
    if (const auto* text = value.get<std::string>()) {
      if (text->size() > kMaxText) template_error(e.line, "a text grows beyond 64 MiB");
      spend(e.line, text->size() / 256);
    } else if (const List* list = value.as_list()) {
      spend(e.line, list->size() / 16);
    }
    return value;
  }

  Value compute(const Expr& e) {
    switch (e.kind) {
      case Expr::literal: return e.value;
      case Expr::variable: return lookup(e.name);
      case Expr::list: {
        List items;
        for (const ExprPtr& item : e.args) items.push_back(evaluate(*item));
        return Value::list(std::move(items));
      }
      case Expr::dict: return compute_dict(e);
      case Expr::attribute: return member(evaluate(*e.args[0]), {e.name}, e);
      case Expr::index: return member(evaluate(*e.args[0]), evaluate(*e.args[1]), e);
      case Expr::slice: return compute_slice(e);
      case Expr::call: return compute_call(e);
      case Expr::filter: return apply_filter(e.name, evaluate(*e.args[0]), arguments(e, "the filter '" + e.name + "'"));
      case Expr::test: return {apply_test(e.name, evaluate(*e.args[0]), arguments(e, "the test '" + e.name + "'"))};
      case Expr::unary: return compute_unary(e);
      case Expr::binary: return compute_binary(e);
      case Expr::conditional:
        if (truth(evaluate(*e.args[1]))) return evaluate(*e.args[0]);
        return e.args[2] == nullptr ? Value{} : evaluate(*e.args[2]);
    }
    return {};
  }

  Value compute_dict(const Expr& e) {
    Dict dict;
    for (size_t i = 0; i < e.args.size(); i += 2) {
      const Value key = evaluate(*e.args[i]);
      if (key.get<std::string>() == nullptr)
        template_error(e.line, cat("a key is ", type_name(key), "; only strings are supported"));
      put(dict, *key.get<std::string>(), evaluate(*e.args[i + 1]));
    }
    return Value::dict(std::move(dict));
  }

  // object.key and object[key]: undefined where there is no such member.
  Value member(const Value& object, const Value& key, const Expr& e) {
    if (object.is_undefined()) template_error(e.line, "a member of an undefined value: " + describe(*e.args[0]));
    if (const auto* name = key.get<std::string>()) {
      const Dict* dict = object.as_dict();
      const Value* found = dict == nullptr ? nullptr : find(*dict, *name);
      return found == nullptr ? Value{} : *found;
    }
    if (!key.is_integer()) return {};
    const auto* text = object.get<std::string>();
    if (text == nullptr && object.as_list() == nullptr) return {};
    const std::vector<std::string_view> letters = text == nullptr ? std::vector<std::string_view>() : characters(*text);
    const int64_t size = static_cast<int64_t>(text == nullptr ? object.as_list()->size() : letters.size());
    const int64_t at = key.integer() < 0 ? key.integer() + size : key.integer();
    if (at < 0 || at >= size) return {};
    return text == nullptr ? (*object.as_list())[at] : Value{std::string(letters[at])};
  }

  static std::string describe(const Expr& e) {
    if (e.kind == Expr::variable) return "'" + e.name + "'";
    if (e.kind == Expr::attribute) return "'." + e.name + "'";
    return "the result of an expression";
  }

  Value compute_slice(const Expr& e) {
    const Value object = evaluate(*e.args[0]);
    const Arguments where{.what = "the slice", .line = e.line};
    if (object.get<std::string>() == nullptr && object.as_list() == nullptr) {
      where.fail(cat("needs a string or list, not ", type_name(object)));
    }
    const List items = iterate(object, where);
    Arguments bounds = where;
    for (int i = 1; i <= 3; ++i) {
      const Value bound = e.args[i] == nullptr ? Value{None{}} : evaluate(*e.args[i]);
      bounds.named.emplace_back(std::to_string(i), bound);
    }
    const auto given = [&](const char* name) { return !bounds.find(9, name)->is_none(); };
    const int64_t step = given("3") ? bounds.integer(9, "3", 1) : 1;
    if (step == 0) where.fail("needs a step that is not 0");
    const int64_t size = static_cast<int64_t>(items.size());
    // As in Python: negative places count from the end, places outside are moved to the nearest end.
    const int64_t low = step > 0 ? 0 : -1, high = step > 0 ? size : size - 1;
    const auto place = [&](const char* name, int64_t fallback) {
      if (!given(name)) return fallback;
      const int64_t at = bounds.integer(9, name, 0);
      return std::clamp(at < 0 ? at + size : at, low, high);
    };
    const int64_t first = place("1", step > 0 ? low : high), last = place("2", step > 0 ? high : low);
    List result;
    for (int64_t i = first; step > 0 ? i < last : i > last; i += step) result.push_back(items[i]);
    if (object.as_list() != nullptr) return Value::list(std::move(result));
    std::string text;
    for (const Value& c : result) text += *c.get<std::string>();
    return {std::move(text)};
  }

  Arguments arguments(const Expr& e, std::string what) {
    Arguments result{.what = std::move(what), .line = e.line};
    for (size_t i = 1; i < e.args.size(); ++i) result.positional.push_back(evaluate(*e.args[i]));
    for (const auto& [name, value] : e.kwargs) result.named.emplace_back(name, evaluate(*value));
    return result;
  }

  Value compute_call(const Expr& e) {
    const Expr& callee = *e.args[0];
    if (callee.kind == Expr::attribute) {
      const Value object = evaluate(*callee.args[0]);
      return call_method(object, callee.name, arguments(e, "the method '" + callee.name + "'"));
    }
    if (callee.kind != Expr::variable) template_error(e.line, "only functions, macros and methods can be called");
    const Arguments args = arguments(e, "the function '" + callee.name + "'");
    const auto macro =
        std::ranges::find(macros_.rbegin(), macros_.rend(), callee.name, [](const auto& m) { return m.first; });
    return macro != macros_.rend() ? call_macro(*macro->second, args) : call_function(callee.name, args);
  }

  // A macro sees its arguments and the global names, not those of its caller.
  Value call_macro(const Stmt& macro, const Arguments& args) {
    args.expect_at_most(macro.targets.size());
    if (++calls_ > kMaxCalls) template_error(args.line, cat("more than ", kMaxCalls, " macros within each other"));
    std::vector<Dict> caller = std::exchange(scopes_, {});
    scopes_.push_back(caller.front());
    scopes_.emplace_back();
    for (size_t i = 0; i < macro.targets.size(); ++i) {
      const Value* given = args.find(i, macro.targets[i]);
      const Value fallback = given == nullptr && macro.defaults[i] != nullptr ? evaluate(*macro.defaults[i]) : Value{};
      put(scopes_.back(), macro.targets[i], given != nullptr ? *given : fallback);
    }
    for (const auto& item : args.named) {
      if (std::ranges::find(macro.targets, item.first) == macro.targets.end())
        args.fail("has no argument '" + item.first + "'");
    }
    Value result{capture(macro.body)};
    scopes_ = std::move(caller);
    --calls_;
    return result;
  }

  Value compute_unary(const Expr& e) {
    const Value value = evaluate(*e.args[0]);
    if (e.name == "not") return {!truth(value)};
    if (!value.is_number()) template_error(e.line, cat("'", e.name, "' needs a number, not ", type_name(value)));
    if (const double* real = value.get<double>()) return {e.name == "-" ? -*real : *real};
    return {e.name == "-" ? wrap(0, value.integer(), "-") : value.integer()};
  }

  Value compute_binary(const Expr& e) {
    const Value left = evaluate(*e.args[0]);
    if (e.name == "and") return truth(left) ? evaluate(*e.args[1]) : left;
    if (e.name == "or") return truth(left) ? left : evaluate(*e.args[1]);
    const Value right = evaluate(*e.args[1]);
    if (e.name == "==") return {equal(left, right)};
    if (e.name == "!=") return {!equal(left, right)};
    if (e.name == "in") return {contains(right, left, {.what = "'in'", .line = e.line})};
    if (e.name == "~") return {to_text(left) + to_text(right)};
    const auto* a = left.get<std::string>();
    const auto* b = right.get<std::string>();
    if (a != nullptr && b != nullptr) {
      if (e.name == "+") return {*a + *b};
      if (std::string_view("<=>=").find(e.name) != std::string_view::npos) return {ordered(e.name, a->compare(*b), 0)};
    }
    if (e.name == "*" && a != nullptr && right.is_integer()) return repeat(*a, right.integer(), e.line);
    if (e.name == "+" && left.as_list() != nullptr && right.as_list() != nullptr) {
      List items = *left.as_list();
      items.insert(items.end(), right.as_list()->begin(), right.as_list()->end());
      return Value::list(std::move(items));
    }
    if (!left.is_number() || !right.is_number()) {
      template_error(e.line,
                     cat("'", e.name, "' between ", type_name(left), " and ", type_name(right), " is not supported"));
    }
    return arithmetic(e, left, right);
  }

  template <class T>
  static bool ordered(const std::string& name, T a, T b) {
    return name == "<" ? a < b : name == "<=" ? a <= b : name == ">" ? a > b : a >= b;
  }

  static Value repeat(const std::string& text, int64_t times, int line) {
    if (times > 0 && text.size() > kMaxText / static_cast<size_t>(times)) template_error(line, "a text grows beyond 64 MiB");
    std::string out;
    for (int64_t i = 0; i < times && !text.empty(); ++i) out += text;
    return {std::move(out)};
  }

  // Whole numbers wrap around instead of growing without end as Python's do.
  static int64_t wrap(int64_t a, int64_t b, const std::string& name) {
    const uint64_t x = static_cast<uint64_t>(a), y = static_cast<uint64_t>(b);
    return static_cast<int64_t>(name == "+" ? x + y : name == "-" ? x - y : x * y);
  }

  Value arithmetic(const Expr& e, const Value& left, const Value& right) {
    const bool whole = left.is_integer() && right.is_integer();
    const std::string& op = e.name;
    if (op[0] == '<' || op[0] == '>') {
      return {whole ? ordered(op, left.integer(), right.integer()) : ordered(op, left.number(), right.number())};
    }
    if (whole && (op == "+" || op == "-" || op == "*")) return {wrap(left.integer(), right.integer(), op)};
    if (op == "**") template_error(e.line, "the operator '**' is not supported");
    const double a = left.number(), b = right.number();
    if (op == "+") return {a + b};
    if (op == "-") return {a - b};
    if (op == "*") return {a * b};
    if (b == 0) template_error(e.line, "division by zero");
    if (op == "/") return {a / b};
    if (!whole) return {op == "//" ? std::floor(a / b) : a - b * std::floor(a / b)};
    // Python rounds down where C++ rounds to zero.
    const int64_t divisor = right.integer();
    if (divisor == -1) return {op == "//" ? wrap(0, left.integer(), "-") : int64_t{0}};
    int64_t quotient = left.integer() / divisor, rest = left.integer() % divisor;
    if (rest != 0 && (rest < 0) != (divisor < 0)) --quotient, rest += divisor;
    return {op == "//" ? quotient : rest};
  }

  std::vector<Dict> scopes_;  // innermost last
  std::vector<std::pair<std::string, const Stmt*>> macros_;
  std::string out_;
  int64_t steps_ = 0;
  int calls_ = 0;
};

}  // namespace

std::string render(const Block& program, Dict globals) { return Evaluator(std::move(globals)).run(program); }

}  // namespace weft::jinja
