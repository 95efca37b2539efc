// pprint.pformat(): what is too wide for a line of 80 characters stands below each other.
#include <algorithm>

#include "runtime/text/jinja/filters.h"
#include "runtime/text/jinja/operators.h"
#include "runtime/text/jinja/rendering.h"
#include "runtime/text/jinja/repr.h"
#include "runtime/text/jinja/unicode.h"
#include "runtime/text/utf8.h"

namespace weft::jinja {
namespace {

constexpr int64_t kWidth = 80;

int64_t width_of(std::string_view text) {
  return std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; });
}

bool ordered(const Value& a, const Value& b) {
  const bool comparable = (a.is_number() && b.is_number()) || (a.text() && b.text());
  return comparable ? less(a, b) : type_name(a) < type_name(b);
}

// The same value with the keys of its dicts in order.
Value sorted(const Value& value) {
  spend(1);
  if (const Sequence* sequence = value.sequence()) {
    std::vector<Value> items;
    for (const Value& item : sequence->items) items.push_back(sorted(item));
    return value.list() != nullptr ? Value::list(std::move(items)) : Value::tuple(std::move(items), sequence->names);
  }
  if (value.dict() == nullptr) return value;
  std::vector<Dict::Item> items = value.dict()->items();
  std::ranges::stable_sort(items, [](const auto& a, const auto& b) { return ordered(a.first, b.first); });
  Dict dict;
  for (auto& [key, item] : items) dict.set(key, sorted(item));
  return Value::dict(std::move(dict));
}

class Printer {
 public:
  std::string run(const Value& value) {
    write(value, 0, 0, 1);
    return std::move(out_);
  }

 private:
  // indent: the column that the value begins at; allowance: what must still fit behind it.
  void write(const Value& value, int64_t indent, int64_t allowance, int level) {
    const std::string flat = repr(value);
    expect_text_size(out_.size() + flat.size());
    const bool named = value.tuple() != nullptr && value.tuple()->names != nullptr;  // printed as it is, as any other type
    if (width_of(flat) <= kWidth - indent - allowance || named) {
      out_ += flat;
    } else if (value.text() != nullptr && !value.is_safe()) {
      write_text(value.text()->bytes, indent, allowance, level);
    } else if (const Dict* dict = value.dict()) {
      write_items('{', "}", dict->size(), indent, allowance, [&](size_t i, int64_t at, int64_t left) {
        const auto& [key, item] = dict->items()[i];
        const std::string name = repr(key);
        out_ += name + ": ";
        write(item, at + width_of(name) + 2, left, level + 1);
      });
    } else if (const Sequence* sequence = value.sequence()) {
      const char* close = value.list() != nullptr ? "]" : sequence->items.size() == 1 ? ",)" : ")";
      write_items(value.list() != nullptr ? '[' : '(', close, sequence->items.size(), indent, allowance,
                  [&](size_t i, int64_t at, int64_t left) { write(sequence->items[i], at, left, level + 1); });
    } else {
      out_ += flat;
    }
  }

  void write_items(char open, std::string_view close, size_t n, int64_t indent, int64_t allowance, const auto& write_item) {
    out_ += open;
    for (size_t i = 0; i < n; ++i) {
      if (i > 0) new_line(indent + 1);
      write_item(i, indent + 1, i + 1 == n ? allowance + static_cast<int64_t>(close.size()) : 1);
    }
    out_ += close;
  }

  void new_line(int64_t indent, std::string_view separator = ",") {
    out_ += separator;
    out_ += '\n' + std::string(static_cast<size_t>(indent), ' ');
    expect_text_size(out_.size());
  }

  // Words, each with the white space behind it.
  static std::vector<std::string_view> words_of(std::string_view line) {
    std::vector<std::string_view> words;
    size_t begin = 0;
    bool in_space = false;
    for (size_t at = 0; at < line.size();) {
      const Utf8Char c = utf8_at(line, at);
      if (in_space && !is_space(c.value)) {
        words.push_back(line.substr(begin, at - begin));
        begin = at;
      }
      in_space = is_space(c.value);
      at += c.length;
    }
    words.push_back(line.substr(begin));
    return words;
  }

  // A long text as several literals, cut at its lines and words.
  void write_text(const std::string& text, int64_t indent, int64_t allowance, int level) {
    if (level == 1) ++indent, ++allowance;
    const int64_t width = kWidth - indent;
    std::vector<std::string> chunks;
    const std::vector<std::string_view> lines = split_lines(text, true);
    for (size_t i = 0; i < lines.size(); ++i) {
      const bool last = i + 1 == lines.size();
      if (width_of(quoted(lines[i])) <= width - (last ? allowance : 0)) {
        chunks.push_back(quoted(lines[i]));
        continue;
      }
      const std::vector<std::string_view> words = words_of(lines[i]);
      std::string current;
      for (size_t j = 0; j < words.size(); ++j) {
        const int64_t room = width - (last && j + 1 == words.size() ? allowance : 0);
        const std::string longer = current + std::string(words[j]);
        spend(longer.size() / 64);
        if (width_of(quoted(longer)) > room) {
          if (!current.empty()) chunks.push_back(quoted(current));
          current = words[j];
        } else {
          current = longer;
        }
      }
      if (!current.empty()) chunks.push_back(quoted(current));
    }
    const bool brackets = level == 1 && chunks.size() > 1;
    if (brackets) out_ += '(';
    for (size_t i = 0; i < chunks.size(); ++i) {
      if (i > 0) new_line(indent, "");
      out_ += chunks[i];
    }
    if (brackets) out_ += ')';
  }

  std::string out_;
};

}  // namespace

std::string pretty(const Value& value) { return Printer().run(sorted(value)); }

}  // namespace weft::jinja
