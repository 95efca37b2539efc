#include "runtime/text/jinja/value.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "runtime/text/jinja/operators.h"
#include "runtime/text/jinja/rendering.h"

namespace weft::jinja {
namespace {

constexpr size_t kFewItems = 8;  // found faster one by one than by hash

Sequence make_sequence(std::vector<Value> items, const char* const* names) {
  int depth = 0;
  for (const Value& item : items) depth = std::max(depth, depth_of(item));
  spend_bytes(items.size() * sizeof(Value));
  return {std::move(items), one_deeper(depth), names};
}

}  // namespace

Value::Value(std::string text, bool safe) {
  expect_text_size(text.size());
  spend_bytes(text.size());
  const auto length = std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; });
  data_ = std::make_shared<const Text>(Text{std::move(text), length, safe});
}

Value Value::undefined(std::string why) {
  Value value;
  value.data_ = Undefined{std::make_shared<const std::string>(std::move(why))};
  return value;
}

Value Value::list(std::vector<Value> items) {
  Value value;
  value.data_ = ListPtr{std::make_shared<const Sequence>(make_sequence(std::move(items), nullptr))};
  return value;
}

Value Value::tuple(std::vector<Value> items, const char* const* names) {
  Value value;
  value.data_ = TuplePtr{std::make_shared<const Sequence>(make_sequence(std::move(items), names))};
  return value;
}

Value Value::dict(Dict dict) {
  spend_bytes(dict.size() * sizeof(Dict::Item));
  Value value;
  value.data_ = std::make_shared<const Dict>(std::move(dict));
  return value;
}

const Text* Value::text() const {
  const auto* text = std::get_if<std::shared_ptr<const Text>>(&data_);
  return text == nullptr ? nullptr : text->get();
}

const Sequence* Value::list() const {
  const auto* list = std::get_if<ListPtr>(&data_);
  return list == nullptr ? nullptr : list->data.get();
}

const Sequence* Value::tuple() const {
  const auto* tuple = std::get_if<TuplePtr>(&data_);
  return tuple == nullptr ? nullptr : tuple->data.get();
}

const Dict* Value::dict() const {
  const auto* dict = std::get_if<std::shared_ptr<const Dict>>(&data_);
  return dict == nullptr ? nullptr : dict->get();
}

Object* Value::object() const { return shared_object().get(); }

std::shared_ptr<Object> Value::shared_object() const {
  const auto* object = std::get_if<std::shared_ptr<Object>>(&data_);
  return object == nullptr ? nullptr : *object;
}

int64_t Value::integer() const {
  const bool* flag = std::get_if<bool>(&data_);
  return flag != nullptr ? *flag : std::get<int64_t>(data_);
}

double Value::number() const { return real() != nullptr ? *real() : static_cast<double>(integer()); }

bool Value::same_as(const Value& other) const {
  if (data_.index() != other.data_.index()) return false;
  if (sequence() != nullptr) return sequence() == other.sequence();
  if (dict() != nullptr) return dict() == other.dict();
  if (is_undefined()) return undefined()->why == other.undefined()->why;
  return equal(*this, other);
}

bool truth(const Value& value) {
  if (value.is_number()) return value.number() != 0;
  if (value.text() != nullptr) return !value.text()->bytes.empty();
  if (value.sequence() != nullptr) return !value.sequence()->items.empty();
  if (value.dict() != nullptr) return value.dict()->size() != 0;
  if (value.object() != nullptr) return value.object()->length().value_or(1) != 0;
  return false;
}

std::string type_name(const Value& value) {
  if (value.is_undefined()) return "undefined";
  if (value.is_none()) return "None";
  if (value.is_bool()) return "bool";
  if (value.is_integer()) return "int";
  if (value.real() != nullptr) return "float";
  if (value.text() != nullptr) return "str";
  if (value.list() != nullptr) return "list";
  if (value.tuple() != nullptr) return "tuple";
  if (value.dict() != nullptr) return "dict";
  return value.object()->type();
}

size_t hash(const Value& value) {
  spend(1);
  if (value.is_integer()) return std::hash<int64_t>{}(value.integer());
  if (const double* real = value.real()) {  // 2.0 is the key 2
    const bool whole = *real == std::trunc(*real) && std::fabs(*real) < 9e18;
    return whole ? std::hash<int64_t>{}(static_cast<int64_t>(*real)) : std::hash<double>{}(*real);
  }
  if (value.text() != nullptr) return std::hash<std::string_view>{}(value.text()->bytes);
  if (value.tuple() != nullptr) {
    size_t result = 17;
    for (const Value& item : value.tuple()->items) result = result * 31 + hash(item);
    return result;
  }
  const bool hashable = value.object() == nullptr || value.object()->hashable();
  if (value.list() != nullptr || value.dict() != nullptr || !hashable) fail("a ", type_name(value), " cannot be a key");
  return std::hash<const void*>{}(value.object());
}

int one_deeper(int depth) {
  if (depth >= kMaxValueDepth) fail("values nest more than ", kMaxValueDepth, " deep");
  return depth + 1;
}

int depth_of(const Value& value) {
  if (value.sequence() != nullptr) return value.sequence()->depth;
  if (value.object() != nullptr) return value.object()->depth;
  return value.dict() != nullptr ? value.dict()->depth() : 0;
}

void Dict::set(Value key, Value value) {
  depth_ = std::max({depth_, one_deeper(depth_of(key)), one_deeper(depth_of(value))});
  if (const Value* found = find(key)) {
    const_cast<Value&>(*found) = std::move(value);
    return;
  }
  items_.emplace_back(std::move(key), std::move(value));
  if (items_.size() <= kFewItems) return;
  for (size_t i = places_.size(); i < items_.size(); ++i) places_.emplace(hash(items_[i].first), i);
}

const Value* Dict::find(size_t hash, const auto& is_key) const {
  const auto [begin, end] = places_.equal_range(hash);
  for (auto place = begin; place != end; ++place) {
    if (is_key(items_[place->second].first)) return &items_[place->second].second;
  }
  return nullptr;
}

const Value* Dict::find(const Value& key) const {
  if (key.text() != nullptr) return find(std::string_view(key.text()->bytes));
  const size_t key_hash = hash(key);  // also where it is not needed: a list is no key of any dict
  const auto is_key = [&](const Value& other) { return other.same_as(key) || equal(other, key); };
  if (!places_.empty()) return find(key_hash, is_key);
  const auto found = std::ranges::find_if(items_, is_key, &Item::first);
  return found == items_.end() ? nullptr : &found->second;
}

const Value* Dict::find(std::string_view key) const {
  const auto is_key = [&](const Value& other) { return other.text() != nullptr && other.text()->bytes == key; };
  if (!places_.empty()) return find(std::hash<std::string_view>{}(key), is_key);
  const auto found = std::ranges::find_if(items_, is_key, &Item::first);
  return found == items_.end() ? nullptr : &found->second;
}

Value Object::call(const Arguments&) { fail("a ", type(), " cannot be called"); }

Value Object::slice(int64_t, int64_t, int64_t, int64_t) { fail("a ", type(), " cannot be sliced"); }

std::string Object::repr() { fail("a ", type(), " has no text: it would be its address in memory"); }

}  // namespace weft::jinja
