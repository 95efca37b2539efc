// "{} {name[0]:>8}".format(...) and its language of specifications.
#include <algorithm>
#include <cmath>

#include "runtime/text/jinja/attributes.h"
#include "runtime/text/jinja/format.h"
#include "runtime/text/jinja/markup.h"
#include "runtime/text/jinja/rendering.h"
#include "runtime/text/jinja/repr.h"
#include "runtime/text/jinja/unicode.h"
#include "runtime/text/utf8.h"

namespace weft::jinja {
namespace {

struct Specification {
  std::string fill = " ";
  char align = '\0';  // < > ^ =
  bool has_sign = false;
  int64_t width = 0;
  NumberFormat number{.type = '\0', .precision = -1};
};

bool one_of(char c, std::string_view set) { return set.find(c) != set.npos; }

int64_t take_number(std::string_view& rest) {
  int64_t number = 0;
  for (; !rest.empty() && rest[0] >= '0' && rest[0] <= '9'; rest.remove_prefix(1)) {
    number = number * 10 + (rest[0] - '0');
    expect_text_size(static_cast<size_t>(number));
  }
  return number;
}

Specification parse_specification(std::string_view rest) {
  const std::string whole(rest);
  Specification spec;
  const auto take = [&](std::string_view set, char& into) {
    if (rest.empty() || !one_of(rest[0], set)) return false;
    into = rest[0];
    rest.remove_prefix(1);
    return true;
  };
  const size_t first = rest.empty() ? 0 : utf8_at(rest, 0).length;
  if (first > 0 && rest.size() > first && one_of(rest[first], "<>^=")) {
    spec.fill = rest.substr(0, first);
    rest.remove_prefix(first);
  }
  take("<>^=", spec.align);
  spec.has_sign = take("+- ", spec.number.sign);
  char flag = '\0';
  spec.number.alternate = take("#", flag);
  if (take("0", flag) && spec.fill == " " && spec.align == '\0') {
    spec.fill = "0";
    spec.align = '0';  // '=' for numbers, '<' for texts
  }
  spec.width = take_number(rest);
  take(",_", spec.number.grouping);
  if (take(".", flag)) {
    if (rest.empty() || rest[0] < '0' || rest[0] > '9') fail("the format '", whole, "' has no precision behind its '.'");
    spec.number.precision = take_number(rest);
  }
  take("bcdeEfFgGnosxX%", spec.number.type);
  if (!rest.empty()) fail("'", whole, "' is not a valid format");
  return spec;
}

std::string aligned(const Specification& spec, char fallback, const std::string& sign, const std::string& text) {
  const int64_t size = static_cast<int64_t>(sign.size() + code_points(text).size());
  const int64_t missing = std::max<int64_t>(spec.width - size, 0);
  expect_text_size(static_cast<size_t>(missing) * spec.fill.size());
  const char align = spec.align == '\0' || spec.align == '0' ? fallback : spec.align;
  const auto fill = [&](int64_t n) {
    std::string out;
    for (int64_t i = 0; i < n; ++i) out += spec.fill;
    return out;
  };
  if (align == '=') return sign + fill(missing) + text;
  const int64_t left = align == '<' ? 0 : align == '>' ? missing : missing / 2;
  return fill(left) + sign + text + fill(missing - left);
}

std::string format_text(const Text& text, const Specification& spec) {
  const bool for_numbers = spec.has_sign || spec.number.alternate || spec.number.grouping != '\0' || spec.align == '=';
  if (for_numbers || one_of(spec.number.type, "bcdeEfFgGnoxX%")) fail("a format of numbers is used for a str");
  std::string_view cut = text.bytes;
  if (const int64_t precision = spec.number.precision; precision >= 0 && precision < text.length) {
    cut = cut.substr(0, static_cast<size_t>(characters(cut)[static_cast<size_t>(precision)].data() - cut.data()));
  }
  return aligned(spec, '<', "", std::string(cut));
}

// A real without a type: as short as it can be, with a point.
std::string shortest_digits(const std::string& digits, double size, int64_t precision) {
  if (precision < 0 || !std::isfinite(size)) return digits;
  const auto significant = std::max<int64_t>(precision, 1);
  if (digits.find_first_of(".e") != std::string::npos) return digits;
  if (static_cast<int64_t>(digits.size()) < significant || (digits.size() == 1 && significant == 1 && digits == "0")) {
    return digits + ".0";
  }
  // No room for ".0" within the precision: an exponent.
  std::string power = number_parts(size, {.type = 'e', .precision = significant - 1}).second;
  const size_t e = power.find('e');
  size_t keep = e;
  if (power.find('.') < e) {
    while (power[keep - 1] == '0') --keep;
    if (power[keep - 1] == '.') --keep;
  }
  return power.substr(0, keep) + power.substr(e);
}

std::string format_number(const Value& value, Specification spec) {
  NumberFormat& form = spec.number;
  if (form.type == 's') fail("a format of texts is used for a number");
  const bool as_real = value.real() != nullptr || one_of(form.type, "eEfFgG%");
  if (form.type == 'c') {
    if (as_real || value.integer() < 0 || value.integer() > 0x10FFFF) fail("the format 'c' needs the number of a character");
    std::string text;
    append_utf8(text, static_cast<char32_t>(value.integer()));
    return aligned(spec, '<', "", text);
  }
  if (as_real && value.real() != nullptr && one_of(form.type, "bdoxX")) fail("a format of integers is used for a float");
  if (!as_real && form.precision >= 0) fail("a format of integers has no precision");
  const bool plain = form.type == '\0';
  if (form.type == 'n') form.type = as_real ? 'g' : 'd';
  if (plain) form.type = as_real ? 'r' : 'd';
  if (as_real && plain && form.grouping != '\0' && form.precision < 0) form.type = 'r';
  const char grouping = form.grouping;
  auto [sign, digits] = number_parts(value, form);
  if (as_real && plain) digits = shortest_digits(digits, std::fabs(value.number()), form.precision);
  if (spec.align == '0' && grouping != '\0') {  // zeros that fill are grouped too
    const int width = !as_real && form.type != 'd' ? 4 : 3;
    size_t whole = std::min(digits.find_first_not_of("0123456789abcdefABCDEF,_"), digits.find('.'));
    whole = std::min(whole, digits.size());
    int run = static_cast<int>(std::min(digits.find(grouping), whole));
    expect_text_size(static_cast<size_t>(spec.width));
    while (static_cast<int64_t>(sign.size() + digits.size()) < spec.width) {
      if (run == width) {
        digits.insert(0, 1, grouping);
        run = 0;
      }
      digits.insert(0, 1, '0');
      ++run;
    }
    return sign + digits;
  }
  return aligned(spec, spec.align == '0' ? '=' : '>', sign, digits);
}

class BraceFormat {
 public:
  BraceFormat(bool safe, const Arguments& arguments) : safe_(safe), arguments_(arguments) {}

  std::string run(std::string_view format, int depth = 2) {
    if (depth < 0) fail("a format nests too deep");
    std::string out;
    while (!format.empty()) {
      const size_t text = std::min(format.find_first_of("{}"), format.size());
      out += format.substr(0, text);
      format.remove_prefix(text);
      if (format.empty()) break;
      const char c = format[0];
      if (format.size() > 1 && format[1] == c) {
        out += c;
        format.remove_prefix(2);
      } else if (c == '}') {
        fail("a format has a single '}'");
      } else {
        out += field(take_field(format), depth);
      }
      expect_text_size(out.size());
    }
    return out;
  }

 private:
  // What stands between the braces; those within are balanced.
  static std::string_view take_field(std::string_view& format) {
    int open = 0;
    for (size_t i = 0; i < format.size(); ++i) {
      open += format[i] == '{' ? 1 : format[i] == '}' ? -1 : 0;
      if (open > 0) continue;
      const std::string_view inner = format.substr(1, i - 1);
      format.remove_prefix(i + 1);
      return inner;
    }
    fail("a format has a '{' that is not closed");
  }

  std::string field(std::string_view text, int depth) {
    size_t end = 0;  // of the name; in brackets any character belongs to it
    for (bool inside = false; end < text.size(); ++end) {
      inside = text[end] == '[' || (inside && text[end] != ']');
      if (!inside && (text[end] == ':' || text[end] == '!')) break;
    }
    Value value = find(text.substr(0, end));
    text.remove_prefix(end);
    if (text.starts_with('!')) {
      const char conversion = text.size() > 1 ? text[1] : '\0';
      if (!one_of(conversion, "rs") || conversion == '\0') fail("a format has the unknown conversion '!", conversion, "'");
      value = conversion == 'r' ? Value(repr(value)) : Value(to_text(value));
      text.remove_prefix(2);
      if (!text.empty() && text[0] != ':') fail("a format needs ':' behind its conversion");
    }
    const std::string specification = text.empty() ? "" : run(text.substr(1), depth - 1);
    if (!safe_) return format_value(value, specification);
    return value.is_safe() ? value.text()->bytes : escape_html(format_value(value, specification));
  }

  Value find(std::string_view path) {
    const size_t end = std::min(path.find_first_of(".["), path.size());
    Value value = first(path.substr(0, end));
    for (path.remove_prefix(end); !path.empty();) {
      if (path[0] == '.') {
        const size_t stop = std::min(path.find_first_of(".[", 1), path.size());
        value = get_attribute(value, std::string(path.substr(1, stop - 1)));
        path.remove_prefix(stop);
      } else {
        const size_t stop = path.find(']');
        if (path[0] != '[' || stop == path.npos) fail("a format has a broken name");
        const std::string key(path.substr(1, stop - 1));
        const bool number = !key.empty() && key.find_first_not_of("0123456789") == key.npos && key.size() < 18;
        value = get_item(value, number ? Value(static_cast<int64_t>(std::stoll(key))) : Value(key));
        path.remove_prefix(stop + 1);
      }
    }
    return value;
  }

  Value first(std::string_view name) {
    const bool number = name.find_first_not_of("0123456789") == name.npos;
    if (number && name.size() < 9) {
      const bool automatic = name.empty();
      if (counts_ && *counts_ != automatic) fail("a format mixes numbered and unnumbered fields");
      counts_ = automatic;
      const size_t place = automatic ? next_++ : static_cast<size_t>(std::stoi(std::string(name)));
      if (place >= arguments_.positional.size()) fail("a format needs more values than it is given");
      return arguments_.positional[place];
    }
    for (const auto& [known, value] : arguments_.named) {
      if (known == name) return value;
    }
    fail("a format names '", name, "', which it is not given");
  }

  bool safe_;
  const Arguments& arguments_;
  std::optional<bool> counts_;  // fields have no numbers
  size_t next_ = 0;
};

}  // namespace

std::string format_value(const Value& value, std::string_view specification) {
  if (specification.empty()) return to_text(value);
  if (!value.is_number() && value.text() == nullptr) {
    fail("a ", type_name(value), " takes no format, but is given '", specification, "'");
  }
  const Specification spec = parse_specification(specification);
  return value.text() != nullptr ? format_text(*value.text(), spec) : format_number(value, spec);
}

Value brace_format(const Value& format, const Arguments& arguments) {
  return {BraceFormat(format.is_safe(), arguments).run(format.text()->bytes), format.is_safe()};
}

}  // namespace weft::jinja
