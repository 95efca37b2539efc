#pragma once
// Values of templates: Python's, as far as Jinja's sandbox can reach them. Values are shared and never change; what has
// state of its own (namespaces, loops, generators) is an Object.
#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace weft::jinja {

class Value;
class Object;
class Iterator;
class Dict;
struct Arguments;

struct Undefined {  // a name, key or attribute that does not exist
  std::shared_ptr<const std::string> why = {};
};
struct None {};

struct Text {
  std::string bytes;  // UTF-8
  int64_t length;     // in characters
  bool safe;          // Markup: not to be escaped
};

// A list or a tuple.
struct Sequence {
  std::vector<Value> items;
  int depth;                           // containers within each other, this one counted
  const char* const* names = nullptr;  // of a tuple's items, where they have names
};

class Value {
 public:
  Value() = default;
  Value(None) : data_(None{}) {}
  Value(std::same_as<bool> auto flag) : data_(flag) {}
  Value(int64_t number) : data_(number) {}
  Value(int number) : data_(int64_t{number}) {}
  Value(double number) : data_(number) {}
  Value(std::string text) : Value(std::move(text), false) {}
  Value(const char* text) : Value(std::string(text), false) {}
  Value(std::string text, bool safe);
  template <class T>
  requires std::is_convertible_v<T*, Object*> Value(std::shared_ptr<T> object)
      : data_(std::shared_ptr<Object>(std::move(object))) {}

  static Value undefined(std::string why);
  static Value list(std::vector<Value> items);
  static Value tuple(std::vector<Value> items, const char* const* names = nullptr);
  static Value dict(Dict dict);

  // Null where the value is of another type.
  const Text* text() const;
  const Sequence* list() const;
  const Sequence* tuple() const;
  const Sequence* sequence() const { return list() != nullptr ? list() : tuple(); }
  const Dict* dict() const;
  Object* object() const;
  const Undefined* undefined() const { return std::get_if<Undefined>(&data_); }
  const double* real() const { return std::get_if<double>(&data_); }

  bool is_undefined() const { return undefined() != nullptr; }
  bool is_none() const { return std::holds_alternative<None>(data_); }
  bool is_bool() const { return std::holds_alternative<bool>(data_); }
  bool is_integer() const { return is_bool() || std::holds_alternative<int64_t>(data_); }  // as in Python, True is 1
  bool is_number() const { return is_integer() || real() != nullptr; }
  bool is_safe() const { return text() != nullptr && text()->safe; }
  int64_t integer() const;  // is_integer()
  double number() const;    // is_number()
  std::shared_ptr<Object> shared_object() const;
  bool same_as(const Value& other) const;  // Python's `is`; equal numbers and texts are one

 private:
  struct ListPtr {
    std::shared_ptr<const Sequence> data;
  };
  struct TuplePtr {
    std::shared_ptr<const Sequence> data;
  };
  std::variant<Undefined, None, bool, int64_t, double, std::shared_ptr<const Text>, ListPtr, TuplePtr,
               std::shared_ptr<const Dict>, std::shared_ptr<Object>>
      data_;
};

bool truth(const Value& value);
std::string type_name(const Value& value);  // Python's: "str", "dict", "NoneType"
size_t hash(const Value& value);            // fails for what Python cannot hash

// In order of insertion. Keys are equal as in Python: 1, 1.0 and True are one key.
class Dict {
 public:
  using Item = std::pair<Value, Value>;

  void set(Value key, Value value);
  const Value* find(const Value& key) const;
  const Value* find(std::string_view key) const;
  const std::vector<Item>& items() const { return items_; }
  size_t size() const { return items_.size(); }
  int depth() const { return depth_; }

 private:
  const Value* find(size_t hash, const auto& is_key) const;

  std::vector<Item> items_;
  std::unordered_multimap<size_t, size_t> places_;  // by hash; only where there are more than a few items
  int depth_ = 1;
};

int depth_of(const Value& value);
int one_deeper(int depth);  // fails beyond kMaxValueDepth

struct Arguments {
  std::vector<Value> positional = {};
  std::vector<std::pair<std::string, Value>> named = {};
};

// Everything that is not plain data. The defaults are those of a Python object that can do nothing.
class Object : public std::enable_shared_from_this<Object> {
 public:
  virtual ~Object() = default;

  int depth = 0;  // of the values that it holds, this one counted

  virtual std::string type() const = 0;
  virtual std::optional<Value> attribute(std::string_view) { return std::nullopt; }
  virtual std::optional<Value> item(const Value&) { return std::nullopt; }
  virtual bool has_items() const { return false; }                                  // object[key] can be asked for at all
  virtual Value slice(int64_t first, int64_t last, int64_t stride, int64_t count);  // where it has items
  virtual std::shared_ptr<Iterator> iterate() { return nullptr; }
  virtual std::shared_ptr<Iterator> reversed() { return nullptr; }
  virtual std::optional<int64_t> length() { return std::nullopt; }
  virtual bool callable() const { return false; }
  virtual bool hashable() const { return true; }
  virtual Value call(const Arguments&);
  virtual std::string repr();  // fails: Python would write an address in memory
  virtual bool equals(const Object& other) const { return this == &other; }
};

// A generator: its items are made when they are asked for, once.
class Iterator : public Object {
 public:
  virtual bool next(Value& item) = 0;  // false at the end
  std::string type() const override { return "generator"; }
  std::shared_ptr<Iterator> iterate() override { return std::static_pointer_cast<Iterator>(shared_from_this()); }
};

}  // namespace weft::jinja
