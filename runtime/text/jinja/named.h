#pragma once
// Filters and tests, by name.
#include <string_view>

#include "runtime/text/jinja/value.h"

namespace weft::jinja {

using Test = bool (*)(const Value& value, const Arguments& arguments);
using Filter = Value (*)(const Value& value, const Arguments& arguments);

// Null where Jinja has none of this name.
Test find_test(std::string_view name);
Filter find_filter(std::string_view name);

// By a name that is only known while the template runs: what it does not find fails.
bool apply_test(std::string_view name, const Value& value, const Arguments& arguments);
Value apply_filter(std::string_view name, const Value& value, const Arguments& arguments);

}  // namespace weft::jinja
