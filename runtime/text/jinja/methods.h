#pragma once
// The methods of Python's str, list, tuple, dict, int and float. One that would change its object, as list.append, is
// undefined: chats are rendered in an immutable sandbox.
#include <map>
#include <optional>
#include <string_view>

#include "runtime/text/jinja/value.h"

namespace weft::jinja {

using Method = Value (*)(const Value& self, const Arguments& arguments);
using Methods = std::map<std::string_view, Method>;

// Not called yet: methods are values. Also the attributes that are no methods (names of a tuple's items, int.real ...).
std::optional<Value> find_method(const Value& value, std::string_view name);

const Methods& text_methods();
const Methods& container_methods(const Value& value);  // of a list, tuple or dict
const Methods& number_methods();

// keys(), values() and items() of a dict.
Value dict_view(const Value& dict, std::string_view kind);

// What some filters share with methods.
std::string replace_text(std::string_view text, std::string_view from, std::string_view to, int64_t count);
std::string center_text(const Text& text, int64_t width, std::string_view fill);
Value join_texts(const Value& separator, const Value& items);

}  // namespace weft::jinja
