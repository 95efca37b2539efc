#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "runtime/text/jinja/arguments.h"
#include "runtime/text/jinja/attributes.h"
#include "runtime/text/jinja/filters.h"
#include "runtime/text/jinja/json.h"
#include "runtime/text/jinja/operators.h"
#include "runtime/text/jinja/rendering.h"
#include "runtime/text/jinja/repr.h"

namespace weft::jinja {
namespace {

Value default_value(const Value& value, const Arguments& arguments) {
  const Parameters p("the filter 'default'", arguments, {"default_value", "boolean"});
  if (!value.is_undefined() && !(p.flag(1, false) && !truth(value))) return value;
  return p.given(0) ? p[0] : Value("");
}

// int() of a real: towards zero. Nothing for nan.
std::optional<Value> truncated(double value) {
  if (std::isnan(value)) return std::nullopt;
  if (!(std::fabs(value) < 9.2e18)) fail("the number ", number_text(value), " is no integer of 64 bits");
  return static_cast<int64_t>(value);
}

Value to_integer(const Value& value, const Arguments& arguments) {
  const Parameters p("the filter 'int'", arguments, {"default", "base"});
  const Value fallback = p.given(0) ? p[0] : Value(0);
  if (value.is_undefined()) fail_undefined(*value.undefined());
  if (value.is_integer()) return value.integer();
  if (value.real() != nullptr) return truncated(*value.real()).value_or(fallback);
  if (value.text() == nullptr) return fallback;
  if (const auto whole = parse_integer(value.text()->bytes, p.integer(1, 10))) return *whole;
  const auto real = parse_real(value.text()->bytes);
  return real && std::isfinite(*real) ? truncated(*real).value_or(fallback) : fallback;
}

Value to_real(const Value& value, const Arguments& arguments) {
  const Parameters p("the filter 'float'", arguments, {"default"});
  const Value fallback = p.given(0) ? p[0] : Value(0.0);
  if (value.is_undefined()) fail_undefined(*value.undefined());
  if (value.is_number()) return value.number();
  if (value.text() == nullptr) return fallback;
  const auto real = parse_real(value.text()->bytes);
  return real ? Value(*real) : fallback;
}

Value absolute(const Value& value, const Arguments& arguments) {
  Parameters("the filter 'abs'", arguments, {});
  const Value number = signed_value("+", value);
  if (number.real() != nullptr) return std::fabs(*number.real());
  return number.integer() < 0 ? signed_value("-", number) : number;
}

double power_of_ten(int64_t n) { return std::pow(10.0, static_cast<double>(n)); }

// Half goes to the even neighbour, of the number's exact value.
Value round_half_even(const Value& value, int64_t digits) {
  if (value.is_integer()) {
    if (digits >= 0) return value.integer();
    if (digits < -18) return 0;
    int64_t unit = 1;
    for (int64_t i = digits; i < 0; ++i) unit *= 10;
    const int64_t rest = arithmetic("%", value, unit).integer(), down = value.integer() - rest;
    const bool up = rest > unit / 2 || (rest == unit / 2 && (down / unit) % 2 != 0);
    return arithmetic("+", down, up ? unit : 0);
  }
  const double number = *value.real();
  if (!std::isfinite(number) || digits > 323) return number;
  if (digits < 0) {
    if (digits < -308) return std::copysign(0.0, number);
    return std::nearbyint(number / power_of_ten(-digits)) * power_of_ten(-digits);
  }
  char buffer[1024];
  std::snprintf(buffer, sizeof buffer, "%.*f", static_cast<int>(digits), number);
  return std::strtod(buffer, nullptr);
}

Value round(const Value& value, const Arguments& arguments) {
  const Parameters p("the filter 'round'", arguments, {"precision", "method"});
  const std::string method = p.text(1, "common");
  if (method != "common" && method != "ceil" && method != "floor") {
    fail(p.who(), " knows the methods common, ceil and floor, not ", quoted(method));
  }
  if (value.is_undefined()) fail_undefined(*value.undefined());
  if (!value.is_number()) fail(p.who(), " needs a number, not ", type_name(value));
  const int64_t digits = p.integer(0, 0);
  if (method == "common") return round_half_even(value, digits);
  const Value factor = arithmetic("**", 10, digits);
  const Value scaled = arithmetic("*", value, factor);
  if (!std::isfinite(scaled.number())) fail(p.who(), " cannot round ", number_text(scaled.number()));
  const double whole = method == "ceil" ? std::ceil(scaled.number()) : std::floor(scaled.number());
  return arithmetic("/", whole == 0 ? 0.0 : whole, factor);
}

Value file_size(const Value& value, const Arguments& arguments) {
  const Parameters p("the filter 'filesizeformat'", arguments, {"binary"});
  if (value.is_undefined()) fail_undefined(*value.undefined());
  const auto read = value.is_number()         ? std::optional(value.number())
                    : value.text() != nullptr ? parse_real(value.text()->bytes)
                                              : std::nullopt;
  if (!read) fail(p.who(), " needs a number, not ", type_name(value));
  const double base = p.flag(0, false) ? 1024 : 1000;
  if (*read == 1) return "1 Byte";
  if (*read < base) {
    if (!std::isfinite(*read)) fail(p.who(), " needs a finite number");
    return cat(static_cast<int64_t>(*read), " Bytes");
  }
  if (std::isnan(*read)) return cat("nan ", p.flag(0, false) ? "YiB" : "YB");
  static constexpr const char* prefixes[] = {"k", "M", "G", "T", "P", "E", "Z", "Y"};
  double unit = base * base;
  size_t i = 0;
  for (; i + 1 < std::size(prefixes) && !(*read < unit); ++i) unit *= base;
  char digits[400];
  std::snprintf(digits, sizeof digits, "%.1f", base * *read / unit);
  const std::string prefix = p.flag(0, false) && i == 0 ? "K" : prefixes[i];
  return std::string(digits) + " " + prefix + (p.flag(0, false) ? "iB" : "B");
}

Value to_json_filter(const Value& value, const Arguments& arguments) {
  const Parameters p("the filter 'tojson'", arguments, {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style{.ascii = p.flag(0, false), .sort_keys = p.flag(3, false)};
  if (p.given_not_none(1)) {
    style.item_separator = ",";
    style.indent = p[1].text() != nullptr ? p[1].text()->bytes : spaces(p.integer(1, 0));
  }
  if (p.given_not_none(2)) {
    const Sequence* pair = p[2].sequence();
    if (pair == nullptr || pair->items.size() != 2 || pair->items[0].text() == nullptr || pair->items[1].text() == nullptr) {
      fail(p.who(), " needs two strings as separators");
    }
    style.item_separator = pair->items[0].text()->bytes;
    style.key_separator = pair->items[1].text()->bytes;
  }
  return to_json(value, style);
}

Value attribute(const Value& value, const Arguments& arguments) {
  const Parameters p("the filter 'attr'", arguments, {"name"}, 1);
  const std::string& name = p.text(0).bytes;
  return find_attribute(value, name)
      .value_or(Value::undefined(cat("a ", type_name(value), " has no attribute '", name, "'")));
}

Value pretty_filter(const Value& value, const Arguments& arguments) {
  Parameters("the filter 'pprint'", arguments, {});
  return pretty(value);
}

}  // namespace

const Filters& value_filters() {
  static const Filters filters = {
      {"abs", absolute},          {"attr", attribute},           {"d", default_value},
      {"default", default_value}, {"filesizeformat", file_size}, {"float", to_real},
      {"int", to_integer},        {"pprint", pretty_filter},     {"round", round},
      {"tojson", to_json_filter},
  };
  return filters;
}

}  // namespace weft::jinja
