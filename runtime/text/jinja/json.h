#pragma once
// Values from JSON and to it.
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "runtime/text/jinja/value.h"

namespace weft::jinja {

// Fails for integers beyond 64 bits with a sign, text that is not UTF-8, and too deep nesting.
Value from_json(const nlohmann::ordered_json& json);

struct JsonStyle {
  bool ascii = false;  // other characters as \uXXXX
  bool sort_keys = false;
  std::optional<std::string> indent = {};  // on one line without
  std::string item_separator = ", ", key_separator = ": ";
};

// json.dumps(): fails for what JSON has no form for, what is undefined among it.
std::string to_json(const Value& value, const JsonStyle& style);

std::string spaces(int64_t n);

}  // namespace weft::jinja
