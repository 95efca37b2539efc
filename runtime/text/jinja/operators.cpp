#include "runtime/text/jinja/operators.h"

#include <algorithm>
#include <cmath>

#include "runtime/text/jinja/format.h"
#include "runtime/text/jinja/iterate.h"
#include "runtime/text/jinja/markup.h"
#include "runtime/text/jinja/rendering.h"

namespace weft::jinja {
namespace {

bool equal_dicts(const Dict& a, const Dict& b) {
  return a.size() == b.size() && std::ranges::all_of(a.items(), [&](const Dict::Item& item) {
           const Value* other = b.find(item.first);
           return other != nullptr && equal(item.second, *other);
         });
}

bool equal_items(const Sequence& a, const Sequence& b) {
  return &a == &b || std::ranges::equal(a.items, b.items, [](const Value& x, const Value& y) { return equal(x, y); });
}

bool less_items(const Sequence& a, const Sequence& b) {
  const size_t both = std::min(a.items.size(), b.items.size());
  for (size_t i = 0; i < both; ++i) {
    if (!equal(a.items[i], b.items[i])) return less(a.items[i], b.items[i]);
  }
  return a.items.size() < b.items.size();
}

[[noreturn]] void fail_operands(std::string_view op, const Value& a, const Value& b) {
  for (const Value* value : {&a, &b}) {
    if (value->is_undefined()) fail_undefined(*value->undefined());
  }
  fail("'", op, "' between ", type_name(a), " and ", type_name(b));
}

[[noreturn]] void fail_integer(std::string_view op) { fail("the result of '", op, "' is beyond 64 bits"); }

Value power(const Value& a, const Value& b) {
  if (!a.is_integer() || !b.is_integer() || b.integer() < 0) {
    if (a.number() == 0 && b.number() < 0) fail("0 to a negative power");
    const double result = std::pow(a.number(), b.number());
    if (std::isnan(result) && !std::isnan(a.number()) && !std::isnan(b.number())) {
      fail("a negative number to a broken power is a complex number");
    }
    if (std::isinf(result) && std::isfinite(a.number()) && std::isfinite(b.number())) {
      fail("the result of '**' is too large");
    }
    return result;
  }
  int64_t result = 1, base = a.integer();
  for (int64_t n = b.integer(); n > 0;) {
    if ((n & 1) != 0 && __builtin_mul_overflow(result, base, &result)) fail_integer("**");
    n >>= 1;
    if (n > 0 && __builtin_mul_overflow(base, base, &base)) fail_integer("**");
  }
  return result;
}

Value divide_integers(std::string_view op, int64_t a, int64_t b) {
  if (b == -1) {  // the one quotient that may overflow, in C++ also as a remainder
    if (op == "%") return 0;
    int64_t negative;
    if (__builtin_sub_overflow(int64_t{0}, a, &negative)) fail_integer(op);
    return negative;
  }
  // Python rounds down where C++ rounds to zero.
  int64_t quotient = a / b, rest = a % b;
  if (rest != 0 && (rest < 0) != (b < 0)) --quotient, rest += b;
  return op == "%" ? rest : quotient;
}

// The remainder has the sign of the divisor; the quotient is taken from it, so that both agree.
Value divide_reals(std::string_view op, double a, double b) {
  double rest = std::fmod(a, b);
  double quotient = (a - rest) / b;
  if (rest != 0 && (b < 0) != (rest < 0)) {
    rest += b;
    quotient -= 1;
  } else if (rest == 0) {
    rest = std::copysign(0.0, b);
  }
  if (op == "%") return rest;
  if (quotient == 0) return std::copysign(0.0, a / b);
  const double whole = std::floor(quotient);
  return quotient - whole > 0.5 ? whole + 1 : whole;
}

Value arithmetic_of_numbers(std::string_view op, const Value& a, const Value& b) {
  if (op == "**") return power(a, b);
  const bool whole = a.is_integer() && b.is_integer();
  if (op == "/" || op == "//" || op == "%") {
    if (b.number() == 0) fail("division by zero");
    if (op == "/") return a.number() / b.number();
    return whole ? divide_integers(op, a.integer(), b.integer()) : divide_reals(op, a.number(), b.number());
  }
  if (!whole) {
    const double x = a.number(), y = b.number();
    return op == "+" ? x + y : op == "-" ? x - y : x * y;
  }
  int64_t result;
  const int64_t x = a.integer(), y = b.integer();
  if (op == "+"   ? __builtin_add_overflow(x, y, &result)
      : op == "-" ? __builtin_sub_overflow(x, y, &result)
                  : __builtin_mul_overflow(x, y, &result)) {
    fail_integer(op);
  }
  return result;
}

Value repeat(const Value& value, int64_t times) {
  const size_t n = static_cast<size_t>(std::max<int64_t>(times, 0));
  if (const Text* text = value.text()) {
    if (!text->bytes.empty() && n > kMaxText / text->bytes.size()) expect_text_size(kMaxText + 1);
    std::string result;
    result.reserve(text->bytes.size() * n);
    if (text->bytes.size() == 1) result.assign(n, text->bytes[0]);
    while (result.size() < text->bytes.size() * n) result += text->bytes;
    return {std::move(result), text->safe};
  }
  const std::vector<Value>& items = value.sequence()->items;
  if (!items.empty()) {
    if (n > static_cast<size_t>(kMaxSteps)) spend(n);
    spend(n * items.size());
  }
  std::vector<Value> result;
  for (size_t i = 0; i < n && !items.empty(); ++i) result.insert(result.end(), items.begin(), items.end());
  return value.list() != nullptr ? Value::list(std::move(result)) : Value::tuple(std::move(result));
}

Value joined(const Value& a, const Value& b) {
  if (a.text() != nullptr) {
    const bool safe = a.is_safe() || b.is_safe();
    expect_text_size(a.text()->bytes.size() + b.text()->bytes.size());
    return safe ? Value(escaped(a) + escaped(b), true) : Value(a.text()->bytes + b.text()->bytes);
  }
  std::vector<Value> items = a.sequence()->items;
  spend(items.size() / 16 + b.sequence()->items.size());
  items.insert(items.end(), b.sequence()->items.begin(), b.sequence()->items.end());
  return a.list() != nullptr ? Value::list(std::move(items)) : Value::tuple(std::move(items));
}

bool same_kind(const Value& a, const Value& b) {
  return (a.text() && b.text()) || (a.list() && b.list()) || (a.tuple() && b.tuple());
}

}  // namespace

void fail_undefined(const Undefined& value) { fail(value.why == nullptr ? "a value is undefined" : *value.why); }

bool equal(const Value& a, const Value& b) {
  spend(1);
  if (a.is_integer() && b.is_integer()) return a.integer() == b.integer();
  if (a.is_number() && b.is_number()) {
    // An integer beyond 2^53 is equal to no real that only rounds to it.
    const long double x = a.is_integer() ? static_cast<long double>(a.integer()) : static_cast<long double>(a.number());
    const long double y = b.is_integer() ? static_cast<long double>(b.integer()) : static_cast<long double>(b.number());
    return x == y;
  }
  if (a.text() && b.text()) return a.text()->bytes == b.text()->bytes;
  if (a.list() && b.list()) return equal_items(*a.list(), *b.list());
  if (a.tuple() && b.tuple()) return equal_items(*a.tuple(), *b.tuple());
  if (a.dict() && b.dict()) return a.dict() == b.dict() || equal_dicts(*a.dict(), *b.dict());
  if (a.object() && b.object()) return a.object()->equals(*b.object());
  return (a.is_none() && b.is_none()) || (a.is_undefined() && b.is_undefined());
}

bool less(const Value& a, const Value& b) {
  spend(1);
  if (a.is_integer() && b.is_integer()) return a.integer() < b.integer();
  if (a.is_number() && b.is_number()) return a.number() < b.number();
  if (a.text() && b.text()) return a.text()->bytes < b.text()->bytes;  // UTF-8 sorts as its characters do
  if (same_kind(a, b)) return less_items(*a.sequence(), *b.sequence());
  fail_operands("<", a, b);
}

bool contains(const Value& container, const Value& item) {
  if (const Text* text = container.text()) {
    if (item.is_undefined() || item.text() == nullptr) fail("'in' a str needs a str, not ", type_name(item));
    return text->bytes.find(item.text()->bytes) != std::string::npos;
  }
  if (container.dict() != nullptr) return container.dict()->find(item) != nullptr;
  const auto items = iterate(container, "'in'");
  for (Value other; items->next(other);) {
    if (other.same_as(item) || equal(other, item)) return true;
  }
  return false;
}

bool compare(std::string_view op, const Value& a, const Value& b) {
  if (op == "==") return equal(a, b);
  if (op == "!=") return !equal(a, b);
  if (op == "in") return contains(b, a);
  if (op == "not in") return !contains(b, a);
  if (!(a.is_number() && b.is_number()) && !same_kind(a, b)) fail_operands(op, a, b);
  if (op == "<") return less(a, b);
  if (op == ">") return less(b, a);
  if (a.is_number() && (std::isnan(a.number()) || std::isnan(b.number()))) return false;
  return op == "<=" ? !less(b, a) : !less(a, b);
}

Value arithmetic(std::string_view op, const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) return arithmetic_of_numbers(op, a, b);
  if (op == "%" && a.text() != nullptr) return percent_format(a, b);
  if (op == "+" && same_kind(a, b)) return joined(a, b);
  if (op == "*") {
    if ((a.text() || a.sequence()) && b.is_integer()) return repeat(a, b.integer());
    if ((b.text() || b.sequence()) && a.is_integer()) return repeat(b, a.integer());
  }
  fail_operands(op, a, b);
}

Value signed_value(std::string_view op, const Value& value) {
  if (value.is_undefined()) fail_undefined(*value.undefined());
  if (!value.is_number()) fail("'", op, "' before a ", type_name(value));
  if (value.real() != nullptr) return op == "-" ? -*value.real() : *value.real();
  return op == "-" ? arithmetic("-", 0, value) : Value(value.integer());
}

}  // namespace weft::jinja
