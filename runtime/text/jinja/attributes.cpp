#include "runtime/text/jinja/attributes.h"

#include <algorithm>

#include "runtime/text/jinja/iterate.h"
#include "runtime/text/jinja/methods.h"
#include "runtime/text/jinja/operators.h"
#include "runtime/text/jinja/rendering.h"
#include "runtime/text/jinja/repr.h"
#include "runtime/text/jinja/unicode.h"
#include "runtime/text/utf8.h"

namespace weft::jinja {
namespace {

Value missing(const Value& value, const Value& name) {
  if (name.text() == nullptr) return Value::undefined(cat("a ", type_name(value), " has no item ", repr(name)));
  return Value::undefined(cat("a ", type_name(value), " has no attribute '", name.text()->bytes, "'"));
}

// The byte at which character `at` of a text begins.
size_t offset_of(const Text& text, int64_t at) {
  if (text.length == static_cast<int64_t>(text.bytes.size())) return static_cast<size_t>(at);
  size_t offset = 0;
  for (; at > 0; --at) offset += utf8_at(text.bytes, offset).length;
  return offset;
}

std::optional<Value> find_item(const Value& value, const Value& key) {
  if (const Dict* dict = value.dict()) {
    if (key.list() != nullptr || key.dict() != nullptr) return std::nullopt;
    const Value* found = dict->find(key);
    return found == nullptr ? std::nullopt : std::optional(*found);
  }
  if (value.object() != nullptr) return value.object()->item(key);
  if (!key.is_integer() || (value.text() == nullptr && value.sequence() == nullptr)) return std::nullopt;
  const int64_t size = value.text() != nullptr ? value.text()->length : static_cast<int64_t>(value.sequence()->items.size());
  const int64_t at = key.integer() < 0 ? key.integer() + size : key.integer();
  if (at < 0 || at >= size) return std::nullopt;
  if (value.sequence() != nullptr) return value.sequence()->items[static_cast<size_t>(at)];
  const std::string& bytes = value.text()->bytes;
  spend(static_cast<size_t>(at) / 64);
  const size_t begin = offset_of(*value.text(), at);
  return Value(bytes.substr(begin, utf8_at(bytes, begin).length), value.is_safe());
}

}  // namespace

std::optional<Value> find_attribute(const Value& value, std::string_view name) {
  if (value.is_undefined()) fail_undefined(*value.undefined());
  if (value.object() != nullptr) return value.object()->attribute(name);
  return find_method(value, name);
}

Value get_attribute(const Value& value, const std::string& name) {
  if (auto attribute = find_attribute(value, name)) return *attribute;
  const Value key(name);
  if (auto item = find_item(value, key)) return *item;
  return missing(value, key);
}

Value get_item(const Value& value, const Value& key) {
  if (value.is_undefined()) fail_undefined(*value.undefined());
  if (auto item = find_item(value, key)) return *item;
  if (key.text() != nullptr) {
    if (auto attribute = find_attribute(value, key.text()->bytes)) return *attribute;
  }
  return missing(value, key);
}

Value get_slice(const Value& value, const Value& begin, const Value& end, const Value& step) {
  if (value.is_undefined()) fail_undefined(*value.undefined());
  const bool has_places =
      value.text() != nullptr || value.sequence() != nullptr || (value.object() != nullptr && value.object()->has_items());
  if (!has_places) fail("a ", type_name(value), " cannot be sliced");
  for (const Value* part : {&begin, &end, &step}) {
    if (!part->is_none() && !part->is_integer()) fail("a slice needs integers, not ", type_name(*part));
  }
  const int64_t stride = step.is_none() ? 1 : step.integer();
  if (stride == 0) fail("a slice needs a step that is not 0");
  const int64_t size = length_of(value, "a slice");
  // As in Python: negative places count from the end, places outside are moved to the nearest end.
  const int64_t low = stride > 0 ? 0 : -1, high = stride > 0 ? size : size - 1;
  const auto place = [&](const Value& part, int64_t fallback) {
    if (part.is_none()) return fallback;
    return std::clamp(part.integer() < 0 ? part.integer() + size : part.integer(), low, high);
  };
  const int64_t first = place(begin, stride > 0 ? low : high), last = place(end, stride > 0 ? high : low);
  const int64_t span = stride > 0 ? last - first : first - last;
  const auto pace = static_cast<int64_t>(std::min<uint64_t>(stride > 0 ? stride : uint64_t{0} - stride, size + 1));
  const int64_t count = span <= 0 ? 0 : (span - 1) / pace + 1;
  if (value.object() != nullptr) return value.object()->slice(first, last, stride, count);
  spend(static_cast<size_t>(count) / 16);
  if (const Sequence* sequence = value.sequence()) {
    std::vector<Value> items;
    for (int64_t i = 0; i < count; ++i) items.push_back(sequence->items[static_cast<size_t>(first + i * stride)]);
    return value.list() != nullptr ? Value::list(std::move(items)) : Value::tuple(std::move(items));
  }
  const Text& text = *value.text();
  if (stride == 1) {
    const size_t from = offset_of(text, first), to = offset_of(text, first + count);
    return {text.bytes.substr(from, to - from), text.safe};
  }
  const std::vector<std::string_view> all = characters(text.bytes);
  std::string out;
  for (int64_t i = 0; i < count; ++i) out += all[static_cast<size_t>(first + i * stride)];
  return {std::move(out), text.safe};
}

}  // namespace weft::jinja
