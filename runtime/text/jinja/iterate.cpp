#include "runtime/text/jinja/iterate.h"

#include "runtime/text/jinja/operators.h"
#include "runtime/text/jinja/rendering.h"
#include "runtime/text/utf8.h"

namespace weft::jinja {
namespace {

class Generator : public Iterator {
 public:
  explicit Generator(std::function<bool(Value&)> next) : next_(std::move(next)) {}
  bool next(Value& item) override {
    spend(1);
    return next_(item);
  }

 private:
  std::function<bool(Value&)> next_;
};

// item: the one at a place; it keeps what is run over alive.
std::shared_ptr<Iterator> indexed(const Value& source, size_t size, std::function<Value(size_t)> item) {
  return generate(source, [size, item = std::move(item), at = size_t{0}](Value& out) mutable {
    if (at == size) return false;
    out = item(at++);
    return true;
  });
}

std::shared_ptr<Iterator> characters_of(const Value& value) {
  return generate(value, [value, at = size_t{0}](Value& out) mutable {
    const std::string& text = value.text()->bytes;
    if (at == text.size()) return false;
    const size_t length = utf8_at(text, at).length;
    out = Value(text.substr(at, length));  // of a safe text too
    at += length;
    return true;
  });
}

std::shared_ptr<Iterator> iterate_if_possible(const Value& value) {
  if (value.is_undefined()) return generate(value, [](Value&) { return false; });
  if (value.text() != nullptr) return characters_of(value);
  if (const Sequence* sequence = value.sequence()) {
    return indexed(value, sequence->items.size(), [value](size_t i) { return value.sequence()->items[i]; });
  }
  if (const Dict* dict = value.dict()) {
    return indexed(value, dict->size(), [value](size_t i) { return value.dict()->items()[i].first; });
  }
  return value.object() != nullptr ? value.object()->iterate() : nullptr;
}

}  // namespace

std::shared_ptr<Iterator> generate(const Value& source, std::function<bool(Value&)> next) {
  auto generator = std::make_shared<Generator>(std::move(next));
  generator->depth = one_deeper(depth_of(source));
  return generator;
}

bool is_iterable(const Value& value) { return iterate_if_possible(value) != nullptr; }

std::shared_ptr<Iterator> iterate(const Value& value, std::string_view who) {
  std::shared_ptr<Iterator> items = iterate_if_possible(value);
  if (items == nullptr) fail(who, " needs a list, mapping or string, not ", type_name(value));
  return items;
}

std::vector<Value> items_of(const Value& value, std::string_view who) {
  if (value.sequence() != nullptr) {
    spend(value.sequence()->items.size() / 16);
    return value.sequence()->items;
  }
  std::vector<Value> items;
  const auto source = iterate(value, who);
  for (Value item; source->next(item);) items.push_back(item);
  return items;
}

std::shared_ptr<Iterator> iterate_backwards(const Value& value) {
  if (value.object() != nullptr) return value.object()->reversed();
  if (value.is_none() || value.is_number()) return nullptr;
  std::vector<Value> items = items_of(value, "reversed");
  return generate(value, [items = std::move(items)](Value& out) mutable {
    if (items.empty()) return false;
    out = std::move(items.back());
    items.pop_back();
    return true;
  });
}

int64_t length_of(const Value& value, std::string_view who) {
  if (value.is_undefined()) return 0;
  if (value.text() != nullptr) return value.text()->length;
  if (value.sequence() != nullptr) return static_cast<int64_t>(value.sequence()->items.size());
  if (value.dict() != nullptr) return static_cast<int64_t>(value.dict()->size());
  if (value.object() != nullptr) {
    if (const auto length = value.object()->length()) return *length;
  }
  fail(who, " needs a string, list or mapping, not ", type_name(value));
}

}  // namespace weft::jinja
