#pragma once
// Filters, tests, methods and global functions of the chat-template interpreter. Each refuses operands that
// it does not take, naming itself and the line of the template.
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/text/jinja/value.h"

namespace weft::jinja {

struct Arguments {
  std::string what;  // "filter 'join'", for messages
  int line;
  std::vector<Value> positional = {};
  std::vector<std::pair<std::string, Value>> named = {};

  // By place or name; null where it was not given.
  const Value* find(size_t place, std::string_view name) const;
  std::string text(size_t place, std::string_view name, std::string_view fallback) const;
  int64_t integer(size_t place, std::string_view name, int64_t fallback) const;
  void expect_at_most(size_t count) const;
  [[noreturn]] void fail(const std::string& message) const;
};

bool is_filter(std::string_view name);
bool is_test(std::string_view name);
Value apply_filter(std::string_view name, const Value& input, const Arguments& arguments);
bool apply_test(std::string_view name, const Value& input, const Arguments& arguments);
Value call_method(const Value& object, std::string_view name, const Arguments& arguments);
Value call_function(std::string_view name,
                    const Arguments& arguments);  // range, namespace, raise_exception, strftime_now

bool contains(const Value& container, const Value& item, const Arguments& where);  // `in`
// What a loop runs over: items, keys or characters. Undefined gives nothing.
List iterate(const Value& value, const Arguments& where);

}  // namespace weft::jinja
