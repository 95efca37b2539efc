#pragma once
// The escapes of Python's string literals.
#include <string>
#include <string_view>

namespace weft::jinja {

// What stands between the quotes of a literal, unescaped. line: of the template, for errors.
std::string unescape(std::string_view literal, int line);

}  // namespace weft::jinja
