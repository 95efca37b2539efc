#include "runtime/text/jinja/json.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

#include "runtime/text/jinja/operators.h"
#include "runtime/text/jinja/rendering.h"
#include "runtime/text/jinja/repr.h"
#include "runtime/text/utf8.h"

namespace weft::jinja {
namespace {

using Json = nlohmann::ordered_json;

std::string checked(const std::string& text) {
  if (find_invalid_utf8(text) != std::string::npos) fail("a text among the template's variables is not valid UTF-8");
  return text;
}

Value read(const Json& json, int depth) {
  if (depth > kMaxValueDepth) fail("the template's variables nest more than ", kMaxValueDepth, " deep");
  switch (json.type()) {
    case Json::value_t::object: {
      Dict dict;
      for (const auto& [name, value] : json.items()) dict.set(checked(name), read(value, depth + 1));
      return Value::dict(std::move(dict));
    }
    case Json::value_t::array: {
      std::vector<Value> list;
      for (const Json& item : json) list.push_back(read(item, depth + 1));
      return Value::list(std::move(list));
    }
    case Json::value_t::string: return checked(json.get_ref<const std::string&>());
    case Json::value_t::boolean: return json.get<bool>();
    case Json::value_t::number_unsigned:
      if (!std::in_range<int64_t>(json.get<uint64_t>())) fail("the integer ", json.dump(), " is beyond 64 bits");
      [[fallthrough]];
    case Json::value_t::number_integer: return json.get<int64_t>();
    case Json::value_t::number_float: return json.get<double>();
    default: return None{};
  }
}

class Writer {
 public:
  explicit Writer(const JsonStyle& style) : style_(style) {}

  std::string run(const Value& value) {
    write(value, 1);
    return std::move(out_);
  }

 private:
  void write(const Value& value, int depth) {
    spend(1);
    expect_text_size(out_.size());
    if (value.text() != nullptr) {
      write_text(value.text()->bytes);
    } else if (const Sequence* sequence = value.sequence()) {
      write_items('[', ']', sequence->items.size(), depth, [&](size_t i) { write(sequence->items[i], depth + 1); });
    } else if (value.dict() != nullptr) {
      const std::vector<const Dict::Item*> items = sorted(*value.dict());
      write_items('{', '}', items.size(), depth, [&](size_t i) {
        write_key(items[i]->first);
        out_ += style_.key_separator;
        write(items[i]->second, depth + 1);
      });
    } else {
      out_ += scalar(value);
    }
  }

  void write_items(char open, char close, size_t n, int depth, const auto& write_item) {
    out_ += open;
    for (size_t i = 0; i < n; ++i) {
      if (i > 0) out_ += style_.item_separator;
      new_line(depth);
      write_item(i);
    }
    if (n > 0) new_line(depth - 1);
    out_ += close;
  }

  void new_line(int depth) {
    if (!style_.indent) return;
    expect_text_size(out_.size() + style_.indent->size() * static_cast<size_t>(depth));
    out_ += '\n';
    for (int i = 0; i < depth; ++i) out_ += *style_.indent;
  }

  std::vector<const Dict::Item*> sorted(const Dict& dict) const {
    std::vector<const Dict::Item*> items;
    for (const Dict::Item& item : dict.items()) items.push_back(&item);
    if (style_.sort_keys) {
      std::ranges::stable_sort(items, [](const auto* a, const auto* b) { return less(a->first, b->first); });
    }
    return items;
  }

  static std::string scalar(const Value& value) {
    if (value.is_none()) return "null";
    if (value.is_bool()) return value.integer() != 0 ? "true" : "false";
    if (value.is_integer()) return to_text(value);
    if (!value.is_number())
      fail("the filter 'tojson' cannot write ", value.is_undefined() ? "an" : "a", " ", type_name(value), " value");
    if (std::isnan(*value.real())) return "NaN";
    if (std::isinf(*value.real())) return *value.real() < 0 ? "-Infinity" : "Infinity";
    return number_text(*value.real());
  }

  void write_key(const Value& key) { write_text(key.text() != nullptr ? key.text()->bytes : scalar(key)); }

  void write_text(std::string_view text) {
    static constexpr std::string_view special = "\"\\\n\r\t\b\f", letters = "\"\\nrtbf";
    const auto escape = [&](unsigned unit) {
      char buffer[12];
      std::snprintf(buffer, sizeof buffer, "\\u%04x", unit);
      out_ += buffer;
    };
    out_ += '"';
    for (size_t at = 0; at < text.size();) {
      const Utf8Char c = utf8_at(text, at);
      if (const size_t known = special.find(text[at]); known != special.npos) {
        out_ += {'\\', letters[known]};
      } else if (c.value < 0x20 || (style_.ascii && c.value >= 0x7F && c.value < 0x10000)) {
        escape(c.value);
      } else if (style_.ascii && c.value >= 0x10000) {
        escape(0xD800 + ((c.value - 0x10000) >> 10));
        escape(0xDC00 + ((c.value - 0x10000) & 0x3FF));
      } else {
        out_ += text.substr(at, c.length);
      }
      at += c.length;
    }
    out_ += '"';
  }

  const JsonStyle& style_;
  std::string out_;
};

}  // namespace

Value from_json(const Json& json) { return read(json, 1); }

std::string to_json(const Value& value, const JsonStyle& style) { return Writer(style).run(value); }

std::string spaces(int64_t n) {
  expect_text_size(static_cast<size_t>(std::max<int64_t>(n, 0)));
  return std::string(static_cast<size_t>(std::max<int64_t>(n, 0)), ' ');
}

}  // namespace weft::jinja
