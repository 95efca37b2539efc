#include "runtime/text/jinja/methods.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "runtime/text/jinja/arguments.h"
#include "runtime/text/jinja/functions.h"
#include "runtime/text/jinja/iterate.h"
#include "runtime/text/jinja/operators.h"
#include "runtime/text/jinja/rendering.h"
#include "runtime/text/jinja/repr.h"

namespace weft::jinja {
namespace {

class BoundMethod : public Object {
 public:
  BoundMethod(Value self, Method method) : self_(std::move(self)), method_(method) { depth = one_deeper(depth_of(self_)); }
  std::string type() const override { return "builtin_function_or_method"; }
  bool callable() const override { return true; }
  Value call(const Arguments& arguments) override { return method_(self_, arguments); }

 private:
  Value self_;
  Method method_;
};

class DictView : public Object {
 public:
  DictView(Value dict, std::string_view kind) : dict_(std::move(dict)), kind_(kind) { depth = one_deeper(depth_of(dict_)); }
  std::string type() const override { return "dict_" + std::string(kind_); }
  bool hashable() const override { return kind_ == "values"; }
  std::optional<int64_t> length() override { return static_cast<int64_t>(dict_.dict()->size()); }
  std::shared_ptr<Iterator> iterate() override { return run(false); }
  std::shared_ptr<Iterator> reversed() override { return run(true); }
  std::string repr() override { return type() + "(" + jinja::repr(Value::list(items_of(shared_from_this(), kind_))) + ")"; }
  bool equals(const Object& other) const override {
    const auto* view = dynamic_cast<const DictView*>(&other);
    if (view == nullptr || kind_ == "values" || view->kind_ == "values") return this == &other;
    if (view->dict_.dict()->size() != dict_.dict()->size()) return false;
    return std::ranges::all_of(dict_.dict()->items(), [&](const Dict::Item& item) {
      const Value* same = view->dict_.dict()->find(item.first);
      return same != nullptr && view->kind_ == kind_ && (kind_ == "keys" || equal(*same, item.second));
    });
  }

 private:
  std::shared_ptr<Iterator> run(bool backwards) {
    return generate(dict_, [dict = dict_, kind = kind_, backwards, at = size_t{0}](Value& out) mutable {
      const std::vector<Dict::Item>& items = dict.dict()->items();
      if (at == items.size()) return false;
      const auto& [key, value] = items[backwards ? items.size() - 1 - at : at];
      ++at;
      out = kind == "keys" ? key : kind == "values" ? value : Value::tuple({key, value});
      return true;
    });
  }

  Value dict_;
  std::string_view kind_;
};

Value count(const Value& self, const Arguments& arguments) {
  const Parameters p("the method 'count'", arguments, {"/value"}, 1);
  return static_cast<int64_t>(std::ranges::count_if(self.sequence()->items, [&](const Value& v) { return equal(v, p[0]); }));
}

Value index(const Value& self, const Arguments& arguments) {
  const Parameters p("the method 'index'", arguments, {"/value", "/start", "/stop"}, 1);
  const std::vector<Value>& items = self.sequence()->items;
  const auto size = static_cast<int64_t>(items.size());
  const auto place = [&](int64_t at) { return std::clamp<int64_t>(at < 0 ? at + size : at, 0, size); };
  for (int64_t i = place(p.integer(1, 0)), end = place(p.integer(2, size)); i < end; ++i) {
    if (equal(items[static_cast<size_t>(i)], p[0])) return i;
  }
  fail("the method 'index' does not find ", repr(p[0]));
}

Value copy(const Value& self, const Arguments& arguments) {
  Parameters("the method 'copy'", arguments, {});
  return self;
}

Value get(const Value& self, const Arguments& arguments) {
  const Parameters p("the method 'get'", arguments, {"/key", "/default"}, 1);
  const Value* found = self.dict()->find(p[0]);
  return found != nullptr ? *found : p.given(1) ? p[1] : Value(None{});
}

Value changes_it(const Value&, const Arguments&) { return {}; }

template <const char* kind>
Value view(const Value& self, const Arguments& arguments) {
  Parameters(cat("the method '", kind, "'"), arguments, {});
  return dict_view(self, kind);
}
constexpr char kKeys[] = "keys", kValues[] = "values", kItems[] = "items";

// The number as a fraction of integers without a common divisor.
Value as_integer_ratio(const Value& self) {
  if (self.is_integer()) return Value::tuple({self.integer(), 1});
  if (!std::isfinite(*self.real())) fail("infinity and nan are no ratios");
  int power;
  double digits = std::frexp(*self.real(), &power);
  while (digits != std::trunc(digits)) digits *= 2, --power;
  if (power > 9 || power < -62) fail("the ratio of ", number_text(*self.real()), " is beyond 64 bits");
  const auto top = static_cast<int64_t>(digits);
  return Value::tuple({power > 0 ? top * (int64_t{1} << power) : top, power > 0 ? 1 : int64_t{1} << -power});
}

uint64_t size_of(const Value& self) {
  return self.integer() < 0 ? uint64_t{0} - static_cast<uint64_t>(self.integer()) : static_cast<uint64_t>(self.integer());
}

Value bit_count(const Value& self) { return std::popcount(size_of(self)); }
Value bit_length(const Value& self) { return static_cast<int>(std::bit_width(size_of(self))); }
Value conjugate(const Value& self) { return signed_value("+", self); }
Value is_integer(const Value& self) { return std::isfinite(*self.real()) && *self.real() == std::trunc(*self.real()); }

Value hex(const Value& self) {
  const double value = *self.real();
  if (!std::isfinite(value)) return number_text(value);
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, value == 0 ? "%.1a" : "%.13a", value);
  std::string text = buffer;
  if (value == 0) text.replace(text.find('p'), std::string::npos, "p+0");
  return text;
}

template <Value (*compute)(const Value&)>
Value of_number(const Value& self, const Arguments& arguments) {
  Parameters("the method of a number", arguments, {});
  return compute(self);
}

}  // namespace

Value dict_view(const Value& dict, std::string_view kind) { return std::make_shared<DictView>(dict, kind); }

const Methods& container_methods(const Value& value) {
  static const Methods tuple = {{"count", count}, {"index", index}};
  static const Methods list = {
      {"count", count},      {"index", index},       {"copy", copy},          {"append", changes_it},
      {"clear", changes_it}, {"pop", changes_it},    {"reverse", changes_it}, {"insert", changes_it},
      {"sort", changes_it},  {"extend", changes_it}, {"remove", changes_it},
  };
  static const Methods dict = {
      {"get", get},
      {"copy", copy},
      {"keys", view<kKeys>},
      {"values", view<kValues>},
      {"items", view<kItems>},
      {"clear", changes_it},
      {"pop", changes_it},
      {"popitem", changes_it},
      {"update", changes_it},
      {"setdefault", changes_it},
      {"fromkeys", [](const Value&, const Arguments& a) { return dict_from_keys(a); }},
  };
  return value.dict() != nullptr ? dict : value.list() != nullptr ? list : tuple;
}

const Methods& number_methods() {
  static const Methods methods = {
      {"as_integer_ratio", of_number<as_integer_ratio>},
      {"bit_count", of_number<bit_count>},
      {"bit_length", of_number<bit_length>},
      {"conjugate", of_number<conjugate>},
      {"hex", of_number<hex>},
      {"is_integer", of_number<is_integer>},
  };
  return methods;
}

std::optional<Value> find_method(const Value& value, std::string_view name) {
  const Sequence* tuple = value.tuple();
  for (size_t i = 0; tuple != nullptr && tuple->names != nullptr && i < tuple->items.size(); ++i) {
    if (name == tuple->names[i]) return tuple->items[i];
  }
  if (value.is_number()) {
    const bool whole = value.is_integer();
    if (name == "real" || (whole && name == "numerator")) return signed_value("+", value);
    if (name == "imag") return whole ? Value(0) : Value(0.0);
    if (whole && name == "denominator") return Value(1);
    if (whole ? name == "is_integer" || name == "hex" : name.starts_with("bit_")) return std::nullopt;
  }
  static const Methods none;
  const Methods& methods = value.is_number()         ? number_methods()
                           : value.text() != nullptr ? text_methods()
                           : value.is_none()         ? none
                                                     : container_methods(value);
  const auto found = methods.find(name);
  if (found == methods.end()) return std::nullopt;
  if (found->second == changes_it) {
    return Value::undefined(cat("the method '", name, "' would change a ", type_name(value), ", which templates must not"));
  }
  return std::make_shared<BoundMethod>(value, found->second);
}

}  // namespace weft::jinja
