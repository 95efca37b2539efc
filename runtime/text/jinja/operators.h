#pragma once
// Python's operators. Integers have 64 bits; a result beyond them fails.
#include <string_view>

#include "runtime/text/jinja/value.h"

namespace weft::jinja {

bool equal(const Value& a, const Value& b);
bool less(const Value& a, const Value& b);  // fails for what Python does not order
bool contains(const Value& container, const Value& item);

// == != < <= > >= in "not in"
bool compare(std::string_view op, const Value& a, const Value& b);
// + - * / // % **
Value arithmetic(std::string_view op, const Value& a, const Value& b);
// + -
Value signed_value(std::string_view op, const Value& value);

// "'x' is undefined" and the like, for values that nothing can be done with.
[[noreturn]] void fail_undefined(const Undefined& value);

}  // namespace weft::jinja
