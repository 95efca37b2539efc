#include <algorithm>

#include "runtime/text/jinja/arguments.h"
#include "runtime/text/jinja/filters.h"
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

// Most filters of texts take any value, by its text.
Value as_text(const Value& value) { return value.text() != nullptr ? value : Value(to_text(value)); }
Value like(const Value& text, std::string changed) { return {std::move(changed), text.is_safe()}; }

const Text& expect_text(const Value& value, std::string_view who) {
  if (value.is_undefined()) fail_undefined(*value.undefined());
  if (value.text() == nullptr) fail(who, " needs a string, not ", type_name(value));
  return *value.text();
}

template <std::string (*change)(std::string_view)>
Value changed(const Value& value, const Arguments& arguments) {
  Parameters("the filter", arguments, {});
  const Value text = as_text(value);
  return like(text, change(text.text()->bytes));
}

// A word begins behind white space, a hyphen or an opening bracket.
std::string title(std::string_view text) {
  std::string out;
  std::string word;
  const auto flush = [&] {
    if (word.empty()) return;
    const size_t first = utf8_at(word, 0).length;
    out += to_upper(word.substr(0, first)) + to_lower(std::string_view(word).substr(first));
    word.clear();
  };
  for (const std::string_view c : characters(text)) {
    const bool parts = is_space(utf8_at(c, 0).value) || std::string_view("-({[<").find(c) != std::string_view::npos;
    if (parts) {
      flush();
      out += c;
    } else {
      word += c;
    }
  }
  flush();
  return out;
}

// Put together from its words, a safe text is safe no more.
Value title_filter(const Value& value, const Arguments& arguments) {
  Parameters("the filter 'title'", arguments, {});
  return title(to_text(value));
}

Value trim(const Value& value, const Arguments& arguments) {
  const Parameters p("the filter 'trim'", arguments, {"chars"});
  const Value text = as_text(value);
  const std::string* chars = p.given_not_none(0) ? &p.text(0).bytes : nullptr;
  return like(text, std::string(strip(text.text()->bytes, chars, true, true)));
}

Value replace(const Value& value, const Arguments& arguments) {
  const Parameters p("the filter 'replace'", arguments, {"old", "new", "count"}, 2);
  const int64_t count = p.given_not_none(2) ? p.integer(2, -1) : -1;
  if (!Rendering::current().autoescape) {
    return replace_text(to_text(value), to_text(p[0]), to_text(p[1]), count);
  }
  const bool escapes = p[0].is_safe() || (p[1].is_safe() && !value.is_safe());
  const Value text = escapes ? Value(escaped(value), true) : as_text(value);
  const std::string written = text.is_safe() ? escaped(p[1]) : to_text(p[1]);
  return like(text, replace_text(text.text()->bytes, to_text(p[0]), written, count));
}

Value center(const Value& value, const Arguments& arguments) {
  const Parameters p("the filter 'center'", arguments, {"width"});
  const Value text = as_text(value);
  return like(text, center_text(*text.text(), p.integer(0, 80), " "));
}

Value indent(const Value& value, const Arguments& arguments) {
  const Parameters p("the filter 'indent'", arguments, {"width", "first", "blank"});
  const Text& text = expect_text(value, p.who());
  std::string by;
  if (p[0].text() != nullptr) {
    by = p[0].text()->bytes;
  } else {
    const int64_t width = p.integer(0, 4);
    expect_text_size(static_cast<size_t>(std::max<int64_t>(width, 0)));
    by.assign(static_cast<size_t>(std::max<int64_t>(width, 0)), ' ');
  }
  const std::string ended = text.bytes + "\n";
  std::string out;
  bool first = true;
  for (const std::string_view line : split_lines(ended, false)) {
    if (!first) out += '\n';
    if (first ? p.flag(1, false) : p.flag(2, false) || !line.empty()) out += by;
    out += line;
    first = false;
    expect_text_size(out.size());
  }
  return {std::move(out), text.safe};
}

Value truncate(const Value& value, const Arguments& arguments) {
  const Parameters p("the filter 'truncate'", arguments, {"length", "killwords", "end", "leeway"});
  const int64_t length = p.integer(0, 255), leeway = p.given_not_none(3) ? p.integer(3, 0) : 5;
  const Value end = p.given(2) ? Value(p.text(2).bytes, p[2].is_safe()) : Value("...");
  if (length < end.text()->length) fail(p.who(), " needs a length of at least ", end.text()->length, ", not ", length);
  if (leeway < 0) fail(p.who(), " needs a leeway of at least 0, not ", leeway);
  if (length_of(value, p.who()) - length <= leeway) return value;
  const Text& text = expect_text(value, p.who());
  const std::vector<std::string_view> all = characters(text.bytes);
  const auto keep = static_cast<size_t>(length - end.text()->length);
  std::string cut =
      keep < all.size() ? text.bytes.substr(0, static_cast<size_t>(all[keep].data() - text.bytes.data())) : text.bytes;
  if (!p.flag(1, false)) cut.resize(std::min(cut.rfind(' '), cut.size()));
  return arithmetic("+", like(value, cut), end);
}

Value wordwrap(const Value& value, const Arguments& arguments) {
  const Parameters p("the filter 'wordwrap'", arguments, {"width", "break_long_words", "wrapstring", "break_on_hyphens"});
  const Text& text = expect_text(value, p.who());
  const std::string newline = p.given_not_none(2) ? p.text(2).bytes : "\n";
  const WrapOptions options{p.integer(0, 79), p.flag(1, true), p.flag(3, true)};
  std::string out;
  bool first = true;
  for (const std::string_view line : split_lines(text.bytes, false)) {
    if (!std::exchange(first, false)) out += newline;
    bool first_part = true;
    for (const std::string& part : wrap_line(line, options)) {
      out += (std::exchange(first_part, false) ? "" : newline) + part;
      expect_text_size(out.size());
    }
  }
  return out;
}

Value word_count(const Value& value, const Arguments& arguments) {
  Parameters("the filter 'wordcount'", arguments, {});
  int64_t n = 0;
  bool inside = false;
  for (const char32_t c : code_points(to_text(value))) {
    n += is_word(c) && !inside;
    inside = is_word(c);
  }
  return n;
}

Value format(const Value& value, const Arguments& arguments) {
  if (!arguments.positional.empty() && !arguments.named.empty()) {
    fail("the filter 'format' takes values by place or by name, not both");
  }
  if (arguments.named.empty()) return percent_format(as_text(value), Value::tuple(arguments.positional));
  Dict named;
  for (const auto& [name, item] : arguments.named) named.set(name, item);
  return percent_format(as_text(value), Value::dict(std::move(named)));
}

Value string(const Value& value, const Arguments& arguments) {
  Parameters("the filter 'string'", arguments, {});
  return as_text(value);
}

}  // namespace

const Filters& text_filters() {
  static const Filters filters = {
      {"capitalize", changed<capitalize>},
      {"center", center},
      {"format", format},
      {"indent", indent},
      {"lower", changed<to_lower>},
      {"replace", replace},
      {"string", string},
      {"title", title_filter},
      {"trim", trim},
      {"truncate", truncate},
      {"upper", changed<to_upper>},
      {"wordcount", word_count},
      {"wordwrap", wordwrap},
  };
  return filters;
}

}  // namespace weft::jinja
