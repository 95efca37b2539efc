#pragma once
// Texts that are safe to stand in HTML, as markupsafe has them.
#include <string>
#include <string_view>

#include "runtime/text/jinja/value.h"

namespace weft::jinja {

std::string escape_html(std::string_view text);
std::string escaped(const Value& value);  // its text; as it is where it is safe
std::string strip_tags(std::string_view html);

}  // namespace weft::jinja
