#include "runtime/text/jinja/repr.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "runtime/text/jinja/rendering.h"
#include "runtime/text/jinja/unicode.h"
#include "runtime/text/utf8.h"

namespace weft::jinja {
namespace {

void append_repr(std::string& out, const Value& value) {
  const Depth depth;  // a namespace may hold itself
  spend(1);
  expect_text_size(out.size());
  const auto append_items = [&](const Sequence& sequence) {
    for (size_t i = 0; i < sequence.items.size(); ++i) {
      if (i > 0) out += ", ";
      append_repr(out, sequence.items[i]);
    }
  };
  if (value.text() != nullptr) {
    const std::string text = quoted(value.text()->bytes);
    out += value.is_safe() ? "Markup(" + text + ")" : text;
  } else if (value.list() != nullptr) {
    out += '[';
    append_items(*value.list());
    out += ']';
  } else if (value.tuple() != nullptr) {
    out += '(';
    append_items(*value.tuple());
    out += value.tuple()->items.size() == 1 ? ",)" : ")";
  } else if (value.dict() != nullptr) {
    out += '{';
    const size_t begin = out.size();
    for (const auto& [key, item] : value.dict()->items()) {
      if (out.size() > begin) out += ", ";
      append_repr(out, key);
      out += ": ";
      append_repr(out, item);
    }
    out += '}';
  } else {
    out += value.is_undefined() ? "Undefined" : to_text(value);
  }
}

}  // namespace

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

std::string quoted(std::string_view text) {
  const char quote = text.find('\'') != text.npos && text.find('"') == text.npos ? '"' : '\'';
  std::string out(1, quote);
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = utf8_at(text, at);
    if (c.value == static_cast<unsigned char>(quote) || c.value == '\\') {
      out += {'\\', text[at]};
    } else if (c.value == '\n' || c.value == '\r' || c.value == '\t') {
      out += {'\\', c.value == '\n' ? 'n' : c.value == '\r' ? 'r' : 't'};
    } else if (is_printable(c.value)) {
      out += text.substr(at, c.length);
    } else {
      char escape[12];
      const char* form = c.value < 0x100 ? "\\x%02x" : c.value < 0x10000 ? "\\u%04x" : "\\U%08x";
      std::snprintf(escape, sizeof escape, form, static_cast<unsigned>(c.value));
      out += escape;
    }
    at += c.length;
  }
  return out + quote;
}

std::string repr(const Value& value) {
  std::string out;
  append_repr(out, value);
  return out;
}

std::string to_text(const Value& value) {
  if (value.text() != nullptr) return value.text()->bytes;
  if (value.is_undefined()) return {};
  if (value.is_none()) return "None";
  if (value.is_bool()) return value.integer() != 0 ? "True" : "False";
  if (value.is_integer()) return std::to_string(value.integer());
  if (value.real() != nullptr) return number_text(*value.real());
  return value.object() != nullptr ? value.object()->repr() : repr(value);
}

}  // namespace weft::jinja
