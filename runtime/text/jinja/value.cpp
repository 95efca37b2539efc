#include "runtime/text/jinja/value.h"

#include <unicode/uchar.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "runtime/text/utf8.h"

namespace weft::jinja {
namespace {

// The shortest text that reads back as the same number, as Python's repr() writes it.
std::string number_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[64];
  const double size = std::fabs(value);
  const auto format = size == 0 || (size >= 1e-4 && size < 1e16) ? std::chars_format::fixed : std::chars_format::scientific;
  std::string text(buffer, std::to_chars(buffer, buffer + sizeof buffer, value, format).ptr);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

void append_escaped(std::string& out, unsigned char c, const char* format_prefix) {
  static constexpr char digits[] = "0123456789abcdef";
  out += format_prefix;
  out += {digits[c >> 4], digits[c & 15]};
}

// repr() of a string: what str() of a list shows.
std::string quoted(std::string_view text) {
  const char quote = text.find('\'') != text.npos && text.find('"') == text.npos ? '"' : '\'';
  std::string out(1, quote);
  for (const char c : text) {
    if (c == quote || c == '\\') {
      out += {'\\', c};
    } else if (c == '\n' || c == '\r' || c == '\t') {
      out += {'\\', c == '\n' ? 'n' : c == '\r' ? 'r' : 't'};
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      append_escaped(out, c, "\\x");
    } else {
      out.push_back(c);
    }
  }
  return out + quote;
}

std::string json_string(std::string_view text) {
  static constexpr std::string_view special = "\"\\\n\r\t\b\f", letters = "\"\\nrtbf";
  std::string out = "\"";
  for (const char c : text) {
    if (const size_t at = special.find(c); at != special.npos) {
      out += {'\\', letters[at]};
    } else if (static_cast<unsigned char>(c) < 0x20) {
      append_escaped(out, c, "\\u00");
    } else {
      out.push_back(c);
    }
  }
  return out + '"';
}

std::string repr(const Value& value) {
  const auto* text = value.get<std::string>();
  return text != nullptr ? quoted(*text) : to_text(value);
}

void append_json(std::string& out, const Value& value, int indent, int depth) {
  const auto new_line = [&](int d) {
    if (indent >= 0) out += '\n' + std::string(indent * d, ' ');
  };
  const char* separator = indent >= 0 ? "," : ", ";
  if (const List* list = value.as_list(); list != nullptr && !list->empty()) {
    out += '[';
    for (size_t i = 0; i < list->size(); ++i) {
      if (i > 0) out += separator;
      new_line(depth + 1);
      append_json(out, (*list)[i], indent, depth + 1);
    }
    new_line(depth);
    out += ']';
  } else if (const Dict* dict = value.as_dict(); dict != nullptr && !dict->empty()) {
    out += '{';
    for (size_t i = 0; i < dict->size(); ++i) {
      if (i > 0) out += separator;
      new_line(depth + 1);
      out += json_string((*dict)[i].first) + ": ";
      append_json(out, (*dict)[i].second, indent, depth + 1);
    }
    new_line(depth);
    out += '}';
  } else if (const auto* text = value.get<std::string>()) {
    out += json_string(*text);
  } else if (const auto* flag = value.get<bool>()) {
    out += *flag ? "true" : "false";
  } else {
    out += value.is_none() ? "null" : to_text(value);
  }
}

}  // namespace

const List* Value::as_list() const {
  const auto* list = get<std::shared_ptr<const List>>();
  return list == nullptr ? nullptr : list->get();
}

const Dict* Value::as_dict() const {
  const auto* dict = get<std::shared_ptr<Dict>>();
  return dict == nullptr ? nullptr : dict->get();
}

int64_t Value::integer() const {
  const bool* flag = get<bool>();
  return flag != nullptr ? *flag : *get<int64_t>();
}

double Value::number() const {
  const double* real = get<double>();
  return real != nullptr ? *real : static_cast<double>(integer());
}

const Value* find(const Dict& dict, std::string_view key) {
  const auto found = std::ranges::find(dict, key, [](const auto& item) { return std::string_view(item.first); });
  return found == dict.end() ? nullptr : &found->second;
}

const char* type_name(const Value& value) {
  static constexpr const char* names[] = {"undefined", "none", "boolean", "integer", "float", "string", "list", "mapping"};
  return names[value.data.index()];
}

bool truth(const Value& value) {
  if (value.is_number()) return value.number() != 0;
  if (const auto* text = value.get<std::string>()) return !text->empty();
  if (const List* list = value.as_list()) return !list->empty();
  if (const Dict* dict = value.as_dict()) return !dict->empty();
  return false;
}

bool equal(const Value& a, const Value& b) {
  if (a.is_integer() && b.is_integer()) return a.integer() == b.integer();
  if (a.is_number() && b.is_number()) return a.number() == b.number();
  if (a.data.index() != b.data.index()) return false;
  if (const auto* text = a.get<std::string>()) return *text == *b.get<std::string>();
  if (const List* list = a.as_list()) return std::ranges::equal(*list, *b.as_list(), equal);
  if (const Dict* dict = a.as_dict()) {
    return dict->size() == b.as_dict()->size() && std::ranges::all_of(*dict, [&](const auto& item) {
             const Value* other = find(*b.as_dict(), item.first);
             return other != nullptr && equal(item.second, *other);
           });
  }
  return true;  // both undefined or both none
}

std::string to_text(const Value& value) {
  if (const auto* text = value.get<std::string>()) return *text;
  if (const auto* flag = value.get<bool>()) return *flag ? "True" : "False";
  if (const auto* whole = value.get<int64_t>()) return std::to_string(*whole);
  if (const auto* real = value.get<double>()) return number_text(*real);
  if (value.is_none()) return "None";
  std::string out;
  if (const List* list = value.as_list()) {
    for (const Value& item : *list) out += (out.empty() ? "" : ", ") + repr(item);
    return '[' + out + ']';
  }
  if (const Dict* dict = value.as_dict()) {
    for (const auto& [key, item] : *dict) out += (out.empty() ? "" : ", ") + quoted(key) + ": " + repr(item);
    return '{' + out + '}';
  }
  return out;
}

std::string to_json(const Value& value, int indent) {
  std::string out;
  append_json(out, value, indent, 0);
  return out;
}

std::vector<std::string_view> characters(std::string_view text) {
  std::vector<std::string_view> result;
  for (size_t at = 0; at < text.size(); at += result.back().size()) {
    result.push_back(text.substr(at, utf8_at(text, at).length));
  }
  return result;
}

bool is_space(char32_t c) { return u_isUWhiteSpace(c) || (c >= 0x1C && c <= 0x1F); }

std::string strip(std::string_view text, std::string_view chars, bool left, bool right) {
  const auto drop = [&](std::string_view c) {
    return chars.empty() ? is_space(utf8_at(c, 0).value) : chars.find(c) != chars.npos;
  };
  size_t begin = 0, end = text.size();
  while (left && begin < end) {
    const size_t length = utf8_at(text, begin).length;
    if (!drop(text.substr(begin, length))) break;
    begin += length;
  }
  while (right && end > begin) {
    size_t last = end - 1;
    while ((text[last] & 0xC0) == 0x80) --last;
    if (!drop(text.substr(last, end - last))) break;
    end = last;
  }
  return std::string(text.substr(begin, end - begin));
}

}  // namespace weft::jinja
