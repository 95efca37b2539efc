#pragma once
// str() and repr() of Python.
#include <string>

#include "runtime/text/jinja/value.h"

namespace weft::jinja {

std::string to_text(const Value& value);
std::string repr(const Value& value);
std::string quoted(std::string_view text);  // repr() of a str
std::string number_text(double value);      // the shortest text that reads back as the same number

}  // namespace weft::jinja
