#include "runtime/text/jinja/named.h"

#include <cmath>
#include <map>

#include "runtime/text/jinja/arguments.h"
#include "runtime/text/jinja/iterate.h"
#include "runtime/text/jinja/operators.h"
#include "runtime/text/jinja/rendering.h"
#include "runtime/text/jinja/repr.h"
#include "runtime/text/jinja/unicode.h"

namespace weft::jinja {
namespace {

template <bool (*is)(const Value&)>
bool plain(const Value& value, const Arguments& arguments) {
  Parameters("the test", arguments, {});
  return is(value);
}

bool has_remainder(const Value& value, const Value& divisor, int wanted) {
  return equal(arithmetic("%", value, divisor), wanted);
}

bool is_even(const Value& v) { return has_remainder(v, 2, 0); }
bool is_odd(const Value& v) { return has_remainder(v, 2, 1); }
bool is_defined(const Value& v) { return !v.is_undefined(); }
bool is_undefined(const Value& v) { return v.is_undefined(); }
bool is_none(const Value& v) { return v.is_none(); }
bool is_boolean(const Value& v) { return v.is_bool(); }
bool is_true(const Value& v) { return v.is_bool() && v.integer() == 1; }
bool is_false(const Value& v) { return v.is_bool() && v.integer() == 0; }
bool is_integer(const Value& v) { return v.is_integer() && !v.is_bool(); }
bool is_float(const Value& v) { return v.real() != nullptr; }
bool is_number(const Value& v) { return v.is_number(); }
bool is_string(const Value& v) { return v.text() != nullptr; }
bool is_mapping(const Value& v) { return v.dict() != nullptr; }
bool is_escaped(const Value& v) { return v.is_safe(); }
bool is_callable(const Value& v) { return v.is_undefined() || (v.object() != nullptr && v.object()->callable()); }
bool is_lower(const Value& v) { return text_is("islower", to_text(v)); }
bool is_upper(const Value& v) { return text_is("isupper", to_text(v)); }
bool is_sequence(const Value& v) {
  return v.is_undefined() || v.text() || v.sequence() || v.dict() || (v.object() && v.object()->has_items());
}

template <const char* op>
bool compares(const Value& value, const Arguments& arguments) {
  return compare(op, value, Parameters(cat("the test '", op, "'"), arguments, {"other"}, 1)[0]);
}
constexpr char kEq[] = "==", kNe[] = "!=", kLt[] = "<", kLe[] = "<=", kGt[] = ">", kGe[] = ">=";

bool is_in(const Value& value, const Arguments& arguments) {
  return contains(Parameters("the test 'in'", arguments, {"seq"}, 1)[0], value);
}

bool same_as(const Value& value, const Arguments& arguments) {
  return value.same_as(Parameters("the test 'sameas'", arguments, {"other"}, 1)[0]);
}

bool divisible_by(const Value& value, const Arguments& arguments) {
  return has_remainder(value, Parameters("the test 'divisibleby'", arguments, {"num"}, 1)[0], 0);
}

template <bool (*known)(std::string_view)>
bool is_known(const Value& value, const Arguments& arguments) {
  Parameters("the test", arguments, {});
  hash(value);
  return value.text() != nullptr && known(value.text()->bytes);
}
bool knows_filter(std::string_view name) { return find_filter(name) != nullptr; }
bool knows_test(std::string_view name) { return find_test(name) != nullptr; }

}  // namespace

Test find_test(std::string_view name) {
  static const std::map<std::string_view, Test> tests = {
      {"defined", plain<is_defined>},
      {"undefined", plain<is_undefined>},
      {"none", plain<is_none>},
      {"boolean", plain<is_boolean>},
      {"true", plain<is_true>},
      {"false", plain<is_false>},
      {"integer", plain<is_integer>},
      {"float", plain<is_float>},
      {"number", plain<is_number>},
      {"string", plain<is_string>},
      {"mapping", plain<is_mapping>},
      {"sequence", plain<is_sequence>},
      {"iterable", plain<is_iterable>},
      {"callable", plain<is_callable>},
      {"escaped", plain<is_escaped>},
      {"lower", plain<is_lower>},
      {"upper", plain<is_upper>},
      {"even", plain<is_even>},
      {"odd", plain<is_odd>},
      {"divisibleby", divisible_by},
      {"sameas", same_as},
      {"in", is_in},
      {"filter", is_known<knows_filter>},
      {"test", is_known<knows_test>},
      {"==", compares<kEq>},
      {"eq", compares<kEq>},
      {"equalto", compares<kEq>},
      {"!=", compares<kNe>},
      {"ne", compares<kNe>},
      {"<", compares<kLt>},
      {"lt", compares<kLt>},
      {"lessthan", compares<kLt>},
      {"<=", compares<kLe>},
      {"le", compares<kLe>},
      {">", compares<kGt>},
      {"gt", compares<kGt>},
      {"greaterthan", compares<kGt>},
      {">=", compares<kGe>},
      {"ge", compares<kGe>},
  };
  const auto found = tests.find(name);
  return found == tests.end() ? nullptr : found->second;
}

bool apply_test(std::string_view name, const Value& value, const Arguments& arguments) {
  const Test test = find_test(name);
  if (test == nullptr) fail("the test '", name, "' is not known");
  return test(value, arguments);
}

}  // namespace weft::jinja
