#pragma once
// What stands behind a dot and in brackets.
#include <optional>
#include <string>
#include <string_view>

#include "runtime/text/jinja/value.h"

namespace weft::jinja {

// value.name: an attribute, or else the item of this name. Undefined where there is neither, and for attributes that the
// sandbox hides (those that begin with an underscore, and methods that would change a list or a dict).
Value get_attribute(const Value& value, const std::string& name);
// value[key]: an item, or else the attribute of this name.
Value get_item(const Value& value, const Value& key);
// value[begin:end:step]; each may be none. Fails for what cannot be sliced.
Value get_slice(const Value& value, const Value& begin, const Value& end, const Value& step);
// The attribute alone, as the filter `attr` has it.
std::optional<Value> find_attribute(const Value& value, std::string_view name);

}  // namespace weft::jinja
