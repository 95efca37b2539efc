#pragma once
// Running over values.
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "runtime/text/jinja/value.h"

namespace weft::jinja {

bool is_iterable(const Value& value);
// Items of a list or tuple, keys of a dict, characters of a text; what is undefined gives nothing. Fails for anything
// else; `who` needs it. A step of the budget for each item.
std::shared_ptr<Iterator> iterate(const Value& value, std::string_view who);
std::vector<Value> items_of(const Value& value, std::string_view who);
// From the last to the first; null where Python cannot.
std::shared_ptr<Iterator> iterate_backwards(const Value& value);
// A generator from a function that gives one item at each call, and false at the end. source: what it holds.
std::shared_ptr<Iterator> generate(const Value& source, std::function<bool(Value&)> next);

int64_t length_of(const Value& value, std::string_view who);  // Python's len()

}  // namespace weft::jinja
