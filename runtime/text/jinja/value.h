#pragma once
// Values of the chat-template interpreter: what Jinja's expressions compute with, and their Python-like
// rules.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace weft::jinja {

struct Value;
struct Undefined {};  // a name, key or attribute that does not exist
struct None {};
using List = std::vector<Value>;
using Dict = std::vector<std::pair<std::string, Value>>;  // in order of insertion; small, searched linearly

// Lists and dicts are shared and never change, except a namespace(), whose attributes `set` may assign.
struct Value {
  std::variant<Undefined, None, bool, int64_t, double, std::string, std::shared_ptr<const List>, std::shared_ptr<Dict>> data;

  static Value list(List items) { return {std::make_shared<const List>(std::move(items))}; }
  static Value dict(Dict items) { return {std::make_shared<Dict>(std::move(items))}; }

  template <class T>
  const T* get() const {
    return std::get_if<T>(&data);
  }
  const List* as_list() const;
  const Dict* as_dict() const;
  bool is_undefined() const { return get<Undefined>() != nullptr; }
  bool is_none() const { return get<None>() != nullptr; }
  bool is_integer() const { return get<int64_t>() != nullptr || get<bool>() != nullptr; }
  bool is_number() const { return is_integer() || get<double>() != nullptr; }
  int64_t integer() const;  // is_integer()
  double number() const;    // is_number()
};

const Value* find(const Dict& dict, std::string_view key);

const char* type_name(const Value& value);  // for messages: "string", "list", ...
bool truth(const Value& value);
bool equal(const Value& a, const Value& b);
std::string to_text(const Value& value);  // str() of Python
std::string to_json(const Value& value,
                    int indent);  // json.dumps(ensure_ascii=False); indent < 0: on one line

// Strings count in characters, as in Python.
std::vector<std::string_view> characters(std::string_view text);
std::string strip(std::string_view text, std::string_view chars, bool left,
                  bool right);  // chars empty: white space
bool is_space(char32_t c);      // str.isspace()

}  // namespace weft::jinja
