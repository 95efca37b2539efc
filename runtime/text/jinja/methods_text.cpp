#include <algorithm>
#include <cmath>

#include "runtime/text/jinja/arguments.h"
#include "runtime/text/jinja/format.h"
#include "runtime/text/jinja/iterate.h"
#include "runtime/text/jinja/markup.h"
#include "runtime/text/jinja/methods.h"
#include "runtime/text/jinja/operators.h"
#include "runtime/text/jinja/rendering.h"
#include "runtime/text/jinja/repr.h"
#include "runtime/text/jinja/unicode.h"
#include "runtime/text/utf8.h"

namespace weft::jinja {
namespace {

const std::string& bytes(const Value& self) { return self.text()->bytes; }
Value like(const Value& self, std::string_view text) { return {std::string(text), self.is_safe()}; }

Value texts_like(const Value& self, const std::vector<std::string_view>& parts) {
  std::vector<Value> items;
  spend(parts.size());
  for (const std::string_view part : parts) items.push_back(like(self, part));
  return Value::list(std::move(items));
}

// An argument that is written into a safe text is escaped.
std::string written(const Value& self, const Text& text) {
  return self.is_safe() && !text.safe ? escape_html(text.bytes) : text.bytes;
}

template <std::string (*change)(std::string_view)>
Value changed(const Value& self, const Arguments& arguments) {
  Parameters("the method", arguments, {});
  return like(self, change(bytes(self)));
}

template <bool left, bool right>
Value stripped(const Value& self, const Arguments& arguments) {
  const Parameters p("the method 'strip'", arguments, {"/chars"});
  return like(self, strip(bytes(self), p.given_not_none(0) ? &p.text(0).bytes : nullptr, left, right));
}

std::vector<std::string_view> split(std::string_view text, const std::string* by, int64_t limit) {
  std::vector<std::string_view> parts;
  if (by == nullptr) {
    for (const std::string_view word : split_at_space(text)) {
      if (limit-- == 0) {  // the rest, with the white space in it
        parts.push_back(strip(text.substr(static_cast<size_t>(word.data() - text.data())), nullptr, false, true));
        break;
      }
      parts.push_back(word);
    }
    return parts;
  }
  for (size_t at; limit != 0 && (at = text.find(*by)) != text.npos; --limit) {
    parts.push_back(text.substr(0, at));
    text.remove_prefix(at + by->size());
  }
  parts.push_back(text);
  return parts;
}

std::vector<std::string_view> split_from_right(std::string_view text, const std::string* by, int64_t limit) {
  std::vector<std::string_view> parts;
  if (by == nullptr) {
    std::vector<std::string_view> words = split_at_space(text);
    if (limit < 0 || static_cast<size_t>(limit) >= words.size()) return words;
    const size_t first = words.size() - static_cast<size_t>(limit);  // of the words that stand alone
    const std::string_view last = words[first - 1];
    text = strip(text.substr(0, static_cast<size_t>(last.data() - text.data()) + last.size()), nullptr, true, false);
    parts.push_back(text);
    parts.insert(parts.end(), words.begin() + static_cast<std::ptrdiff_t>(first), words.end());
    return parts;
  }
  for (size_t at; limit != 0 && (at = text.rfind(*by)) != text.npos; --limit) {
    parts.push_back(text.substr(at + by->size()));
    text = text.substr(0, at);
  }
  parts.push_back(text);
  std::ranges::reverse(parts);
  return parts;
}

template <std::vector<std::string_view> (*cut)(std::string_view, const std::string*, int64_t)>
Value split_method(const Value& self, const Arguments& arguments) {
  const Parameters p("the method 'split'", arguments, {"sep", "maxsplit"});
  const std::string* by = p.given_not_none(0) ? &p.text(0).bytes : nullptr;
  if (by != nullptr && by->empty()) fail("the method 'split' needs a separator that is not empty");
  return texts_like(self, cut(bytes(self), by, p.integer(1, -1)));
}

Value split_lines_method(const Value& self, const Arguments& arguments) {
  const Parameters p("the method 'splitlines'", arguments, {"keepends"});
  return texts_like(self, split_lines(bytes(self), p.integer(0, 0) != 0));
}

template <bool from_right>
Value partition(const Value& self, const Arguments& arguments) {
  const Parameters p("the method 'partition'", arguments, {"/sep"}, 1);
  const std::string& by = p.text(0).bytes;
  if (by.empty()) fail("the method 'partition' needs a separator that is not empty");
  const std::string_view text = bytes(self);
  const size_t at = from_right ? text.rfind(by) : text.find(by);
  if (at == text.npos) {
    return from_right ? Value::tuple({like(self, ""), like(self, ""), self})
                      : Value::tuple({self, like(self, ""), like(self, "")});
  }
  return Value::tuple({like(self, text.substr(0, at)), like(self, by), like(self, text.substr(at + by.size()))});
}

// The part of the text that start and stop name, and the place in characters where it begins.
struct Part {
  std::string_view text;
  int64_t begin;
};
std::optional<Part> part_of(const Value& self, const Parameters& p) {
  const Text& whole = *self.text();
  const auto place = [&](size_t i, int64_t fallback) {
    if (!p.given_not_none(i)) return fallback;
    const int64_t at = p.integer(i, 0);
    return std::max<int64_t>(at < 0 ? at + whole.length : at, 0);
  };
  const int64_t begin = place(1, 0), end = std::min(place(2, whole.length), whole.length);
  if (begin > end) return std::nullopt;  // nothing is found here, not even an empty text
  if (begin == 0 && end == whole.length) return Part{whole.bytes, 0};
  std::string_view text = whole.bytes;
  std::vector<std::string_view> all = characters(text);
  spend(all.size() / 64);
  const auto offset = [&](int64_t i) {
    return i == whole.length ? text.size() : static_cast<size_t>(all[static_cast<size_t>(i)].data() - text.data());
  };
  return Part{text.substr(offset(begin), offset(end) - offset(begin)), begin};
}

template <bool from_right, bool must>
Value find_method_of_text(const Value& self, const Arguments& arguments) {
  const Parameters p("the method 'find'", arguments, {"/sub", "/start", "/end"}, 1);
  const std::string& wanted = p.text(0).bytes;
  if (const auto part = part_of(self, p)) {
    const size_t at = from_right ? part->text.rfind(wanted) : part->text.find(wanted);
    if (at != part->text.npos) {
      const auto before = std::ranges::count_if(part->text.substr(0, at), [](char c) { return (c & 0xC0) != 0x80; });
      return part->begin + before;
    }
  }
  if (must) fail("the method 'index' does not find ", quoted(wanted));
  return -1;
}

Value count(const Value& self, const Arguments& arguments) {
  const Parameters p("the method 'count'", arguments, {"/sub", "/start", "/end"}, 1);
  const std::string& wanted = p.text(0).bytes;
  const auto part = part_of(self, p);
  if (!part) return 0;
  if (wanted.empty()) return static_cast<int64_t>(characters(part->text).size()) + 1;
  int64_t n = 0;
  for (size_t at = 0; (at = part->text.find(wanted, at)) != part->text.npos; at += wanted.size()) ++n;
  return n;
}

template <bool at_start>
Value has_affix(const Value& self, const Arguments& arguments) {
  const Parameters p("the method 'startswith'", arguments, {"/affix", "/start", "/end"}, 1);
  const auto part = part_of(self, p);
  const auto matches = [&](const Value& affix) {
    if (affix.text() == nullptr)
      fail("the method '", at_start ? "startswith" : "endswith", "' needs a string, not ", type_name(affix));
    const std::string& wanted = affix.text()->bytes;
    return part && (at_start ? part->text.starts_with(wanted) : part->text.ends_with(wanted));
  };
  if (p[0].tuple() != nullptr) return std::ranges::any_of(p[0].tuple()->items, matches);
  return matches(p[0]);
}

template <bool prefix>
Value without_affix(const Value& self, const Arguments& arguments) {
  const Parameters p("the method 'removeprefix'", arguments, {"/affix"}, 1);
  std::string_view text = bytes(self);
  const std::string& affix = p.text(0).bytes;
  if (prefix ? text.starts_with(affix) : text.ends_with(affix)) {
    text = prefix ? text.substr(affix.size()) : text.substr(0, text.size() - affix.size());
  }
  return like(self, text);
}

Value replace(const Value& self, const Arguments& arguments) {
  const Parameters p("the method 'replace'", arguments, {"/old", "/new", "/count"}, 2);
  return like(self, replace_text(bytes(self), p.text(0).bytes, written(self, p.text(1)), p.integer(2, -1)));
}

std::string fill_of(const Value& self, const Parameters& p) {
  if (!p.given(1)) return " ";
  const std::string fill = written(self, p.text(1));
  if (characters(fill).size() != 1) fail(p.who(), " needs one character to fill with");
  return fill;
}

std::string padding(std::string_view fill, int64_t n) {
  std::string out;
  expect_text_size(static_cast<size_t>(std::max<int64_t>(n, 0)) * fill.size());
  for (; n > 0; --n) out += fill;
  return out;
}

template <bool left>
Value justify(const Value& self, const Arguments& arguments) {
  const Parameters p("the method 'ljust'", arguments, {"/width", "/fillchar"}, 1);
  const std::string fill = padding(fill_of(self, p), p.integer(0, 0) - self.text()->length);
  return like(self, left ? bytes(self) + fill : fill + bytes(self));
}

Value center(const Value& self, const Arguments& arguments) {
  const Parameters p("the method 'center'", arguments, {"/width", "/fillchar"}, 1);
  return like(self, center_text(*self.text(), p.integer(0, 0), fill_of(self, p)));
}

Value zero_fill(const Value& self, const Arguments& arguments) {
  const Parameters p("the method 'zfill'", arguments, {"/width"}, 1);
  const bool has_sign = bytes(self).starts_with('+') || bytes(self).starts_with('-');
  std::string text = bytes(self);
  return like(self, text.insert(has_sign ? 1 : 0, padding("0", p.integer(0, 0) - self.text()->length)));
}

Value expand_tabs(const Value& self, const Arguments& arguments) {
  const Parameters p("the method 'expandtabs'", arguments, {"tabsize"});
  const int64_t size = p.integer(0, 8);
  std::string out;
  int64_t column = 0;
  for (const std::string_view c : characters(bytes(self))) {
    if (c == "\t") {
      const int64_t n = size > 0 ? size - column % size : 0;
      out += padding(" ", n);
      column += n;
    } else {
      out += c;
      column = c == "\n" || c == "\r" ? 0 : column + 1;
    }
    expect_text_size(out.size());
  }
  return like(self, out);
}

Value make_translation(const Value&, const Arguments& arguments) {
  const Parameters p("the method 'maketrans'", arguments, {"/x", "/y", "/z"}, 1);
  Dict table;
  const auto code = [](char32_t c) { return Value(static_cast<int64_t>(c)); };
  if (!p.given(1)) {
    if (p[0].dict() == nullptr) fail("the method 'maketrans' needs a mapping, not ", type_name(p[0]));
    for (const auto& [key, value] : p[0].dict()->items()) {
      if (key.text() != nullptr && key.text()->length != 1) fail("the method 'maketrans' needs keys of one character");
      table.set(key.text() != nullptr ? code(utf8_at(key.text()->bytes, 0).value) : key, value);
    }
    return Value::dict(std::move(table));
  }
  const std::vector<char32_t> from = code_points(p.text(0).bytes), to = code_points(p.text(1).bytes);
  if (from.size() != to.size()) fail("the method 'maketrans' needs two texts of the same length");
  for (size_t i = 0; i < from.size(); ++i) table.set(code(from[i]), code(to[i]));
  for (const char32_t c : code_points(p.text(2, ""))) table.set(code(c), None{});
  return Value::dict(std::move(table));
}

Value translate(const Value& self, const Arguments& arguments) {
  const Parameters p("the method 'translate'", arguments, {"/table"}, 1);
  if (p[0].dict() == nullptr) fail("the method 'translate' needs a mapping, not ", type_name(p[0]));
  std::string out;
  for (const char32_t c : code_points(bytes(self))) {
    const Value* found = p[0].dict()->find(Value(static_cast<int64_t>(c)));
    if (found == nullptr) {
      append_utf8(out, c);
    } else if (found->is_integer()) {
      if (found->integer() < 0 || found->integer() > 0x10FFFF) fail("the method 'translate' needs characters");
      append_utf8(out, static_cast<char32_t>(found->integer()));
    } else if (!found->is_none()) {
      if (found->text() == nullptr) fail("the method 'translate' needs characters, not ", type_name(*found));
      out += found->text()->bytes;
    }
    expect_text_size(out.size());
  }
  return like(self, out);
}

Value format_map(const Value& self, const Arguments& arguments) {
  const Parameters p("the method 'format_map'", arguments, {"/mapping"}, 1);
  Arguments named;
  if (p[0].dict() != nullptr) {
    for (const auto& [key, value] : p[0].dict()->items()) {
      if (key.text() != nullptr) named.named.emplace_back(key.text()->bytes, value);
    }
  }
  return brace_format(self, named);
}

template <const char* name>
Value is_kind(const Value& self, const Arguments& arguments) {
  Parameters(cat("the method '", name, "'"), arguments, {});
  return text_is(name, bytes(self));
}
constexpr char kAlnum[] = "isalnum", kAlpha[] = "isalpha", kAscii[] = "isascii", kDecimal[] = "isdecimal",
               kDigit[] = "isdigit", kIdentifier[] = "isidentifier", kLower[] = "islower", kNumeric[] = "isnumeric",
               kPrintable[] = "isprintable", kSpace[] = "isspace", kTitle[] = "istitle", kUpper[] = "isupper";

}  // namespace

std::string replace_text(std::string_view text, std::string_view from, std::string_view to, int64_t count) {
  std::string out;
  if (from.empty()) {  // before each character, and at the end
    for (const std::string_view c : characters(text)) {
      if (count-- != 0)
        out += to;
      else
        count = 0;
      out += c;
      expect_text_size(out.size());
    }
    return count != 0 ? out.append(to) : out;
  }
  size_t done = 0;
  for (size_t at = 0; count != 0 && (at = text.find(from, done)) != text.npos; --count) {
    out.append(text, done, at - done).append(to);
    expect_text_size(out.size());
    done = at + from.size();
  }
  return out.append(text, done);
}

std::string center_text(const Text& text, int64_t width, std::string_view fill) {
  const int64_t missing = std::max<int64_t>(width - text.length, 0);
  const int64_t left = missing / 2 + (missing & width & 1);
  return padding(fill, left) + text.bytes + padding(fill, missing - left);
}

Value join_texts(const Value& separator, const Value& items) {
  std::string out;
  bool first = true;
  const auto source = iterate(items, "the method 'join'");
  for (Value item; source->next(item);) {
    if (item.text() == nullptr && !(separator.is_safe() && !item.is_none())) {
      fail("the method 'join' needs strings, not ", type_name(item));
    }
    if (!std::exchange(first, false)) out += bytes(separator);
    out += separator.is_safe() ? escaped(item) : item.text()->bytes;
    expect_text_size(out.size());
  }
  return like(separator, out);
}

const Methods& text_methods() {
  static const Methods methods = {
      {"capitalize", changed<capitalize>},
      {"casefold", changed<fold_case>},
      {"center", center},
      {"count", count},
      {"endswith", has_affix<false>},
      {"expandtabs", expand_tabs},
      {"find", find_method_of_text<false, false>},
      {"format", brace_format},
      {"format_map", format_map},
      {"index", find_method_of_text<false, true>},
      {"isalnum", is_kind<kAlnum>},
      {"isalpha", is_kind<kAlpha>},
      {"isascii", is_kind<kAscii>},
      {"isdecimal", is_kind<kDecimal>},
      {"isdigit", is_kind<kDigit>},
      {"isidentifier", is_kind<kIdentifier>},
      {"islower", is_kind<kLower>},
      {"isnumeric", is_kind<kNumeric>},
      {"isprintable", is_kind<kPrintable>},
      {"isspace", is_kind<kSpace>},
      {"istitle", is_kind<kTitle>},
      {"isupper", is_kind<kUpper>},
      {"join", [](const Value& self,
                  const Arguments& a) { return join_texts(self, Parameters("the method 'join'", a, {"/iterable"}, 1)[0]); }},
      {"ljust", justify<true>},
      {"lower", changed<to_lower>},
      {"lstrip", stripped<true, false>},
      {"maketrans", make_translation},
      {"partition", partition<false>},
      {"removeprefix", without_affix<true>},
      {"removesuffix", without_affix<false>},
      {"replace", replace},
      {"rfind", find_method_of_text<true, false>},
      {"rindex", find_method_of_text<true, true>},
      {"rjust", justify<false>},
      {"rpartition", partition<true>},
      {"rsplit", split_method<split_from_right>},
      {"rstrip", stripped<false, true>},
      {"split", split_method<split>},
      {"splitlines", split_lines_method},
      {"startswith", has_affix<true>},
      {"strip", stripped<true, true>},
      {"swapcase", changed<swap_case>},
      {"title", changed<title_words>},
      {"translate", translate},
      {"upper", changed<to_upper>},
      {"zfill", zero_fill},
  };
  return methods;
}

}  // namespace weft::jinja
