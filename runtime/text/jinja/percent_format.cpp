// "%..." % values: Python's printf-style formats.
#include <algorithm>
#include <cmath>

#include "runtime/text/jinja/format.h"
#include "runtime/text/jinja/markup.h"
#include "runtime/text/jinja/operators.h"
#include "runtime/text/jinja/rendering.h"
#include "runtime/text/jinja/repr.h"
#include "runtime/text/jinja/unicode.h"
#include "runtime/text/utf8.h"

namespace weft::jinja {
namespace {

class PercentFormat {
 public:
  PercentFormat(const Text& format, const Value& value) : rest_(format.bytes), safe_(format.safe), value_(value) {}

  std::string run() {
    while (!rest_.empty()) {
      const size_t text = std::min(rest_.find('%'), rest_.size());
      append(rest_.substr(0, text));
      rest_.remove_prefix(text);
      if (!rest_.empty()) convert();
    }
    const size_t all = value_.tuple() != nullptr ? value_.tuple()->items.size() : 1;
    const bool unused = !named_ && taken_ < all && (value_.tuple() != nullptr || !may_stay_unused());
    if (unused) fail("a format takes fewer values than it is given");
    return std::move(out_);
  }

 private:
  // A mapping, or a list, may be given to a format that names nothing.
  bool may_stay_unused() const {
    return value_.dict() != nullptr || value_.list() != nullptr ||
           (value_.object() != nullptr && value_.object()->has_items());
  }

  void append(std::string_view text) {
    out_ += text;
    expect_text_size(out_.size());
  }

  char take() {
    if (rest_.empty()) fail("a format ends inside a '%'");
    const char c = rest_[0];
    rest_.remove_prefix(1);
    return c;
  }

  const Value& next_value() {
    if (key_) return *key_;
    if (named_ && value_.dict() != nullptr && value_.tuple() == nullptr && taken_ > 0) fail("a format needs more values");
    const size_t place = taken_++;
    if (value_.tuple() != nullptr) {
      if (place >= value_.tuple()->items.size()) fail("a format needs more values than it is given");
      return value_.tuple()->items[place];
    }
    if (place > 0) fail("a format needs more values than it is given");
    return value_;
  }

  int64_t number_or_star() {
    if (rest_.starts_with('*')) {
      take();
      const Value& value = next_value();
      if (!value.is_integer()) fail("'*' in a format needs an integer, not ", type_name(value));
      return value.integer();
    }
    int64_t number = 0;
    while (!rest_.empty() && rest_[0] >= '0' && rest_[0] <= '9') {
      number = number * 10 + (take() - '0');
      expect_text_size(static_cast<size_t>(number));
    }
    return number;
  }

  void convert() {
    take();
    key_ = nullptr;
    if (rest_.starts_with('(')) take_key();
    bool left = false, zero = false;
    NumberFormat form{.type = 'd', .precision = -1};
    for (; !rest_.empty() && std::string_view("-0+ #").find(rest_[0]) != std::string_view::npos; take()) {
      left |= rest_[0] == '-';
      zero |= rest_[0] == '0';
      form.alternate |= rest_[0] == '#';
      if (rest_[0] == '+' || (rest_[0] == ' ' && form.sign == '-')) form.sign = rest_[0];
    }
    int64_t width = number_or_star();
    if (width < 0) left = true, width = -width;
    if (rest_.starts_with('.')) {
      take();
      form.precision = std::max<int64_t>(number_or_star(), 0);
    }
    if (!rest_.empty() && std::string_view("hlL").find(rest_[0]) != std::string_view::npos) take();
    const char type = take();
    if (type == '%') return append("%");
    expect_text_size(static_cast<size_t>(width));
    const auto [sign, text] = converted(type, form);
    const int64_t size = static_cast<int64_t>(sign.size() + code_points(text).size());
    const std::string padding(static_cast<size_t>(std::max<int64_t>(width - size, 0)), ' ');
    const bool number = std::string_view("rsac").find(type) == std::string_view::npos;
    if (left) {
      append(sign + text + padding);
    } else if (zero && number) {
      append(sign + std::string(padding.size(), '0') + text);
    } else {
      append(padding + sign + text);
    }
  }

  void take_key() {
    take();
    std::string name;
    for (int open = 1;;) {
      const char c = take();
      open += c == '(' ? 1 : c == ')' ? -1 : 0;
      if (open == 0) break;
      name += c;
    }
    if (value_.dict() == nullptr) fail("a format with names needs a mapping, not ", type_name(value_));
    key_ = value_.dict()->find(std::string_view(name));
    if (key_ == nullptr) fail("a format names '", name, "', which the mapping does not have");
    named_ = true;
  }

  std::string text_of(const Value& value) const { return safe_ ? escaped(value) : to_text(value); }

  // The sign, which stands before zeros that fill, and what follows.
  std::pair<std::string, std::string> converted(char type, NumberFormat form) {
    const Value& value = next_value();
    std::string text;
    switch (type) {
      case 's': text = text_of(value); break;
      case 'r': text = safe_ ? escape_html(repr(value)) : repr(value); break;
      case 'a': fail("'%a' in a format is not supported");
      case 'c':
        if (value.is_integer()) {
          if (value.integer() < 0 || value.integer() > 0x10FFFF) fail("'%c' needs a character, not ", value.integer());
          append_utf8(text, static_cast<char32_t>(value.integer()));
          return {"", text};
        }
        if (value.text() == nullptr || value.text()->length != 1) fail("'%c' needs one character");
        return {"", value.text()->bytes};
      default: return number(type, value, form);
    }
    if (form.precision >= 0) {
      std::vector<std::string_view> all = characters(text);
      if (static_cast<size_t>(form.precision) < all.size()) {
        text.resize(static_cast<size_t>(all[static_cast<size_t>(form.precision)].data() - text.data()));
      }
    }
    return {"", text};
  }

  std::pair<std::string, std::string> number(char type, const Value& value, NumberFormat form) const {
    if (value.is_undefined()) fail_undefined(*value.undefined());
    const bool whole = std::string_view("diuoxX").find(type) != std::string_view::npos;
    if (!whole && std::string_view("eEfFgG").find(type) == std::string_view::npos) {
      fail("a format has the unknown type '%", type, "'");
    }
    if (!value.is_number()) fail("'%", type, "' in a format needs a number, not ", type_name(value));
    form.type = type == 'i' || type == 'u' ? 'd' : type;
    if (!whole) return number_parts(value, form);
    if (value.real() != nullptr && form.type != 'd') fail("'%", type, "' in a format needs an integer, not float");
    if (value.real() != nullptr && !(std::fabs(*value.real()) < 9.2e18)) fail("a number is too large for '%", type, "'");
    auto [sign, digits] = number_parts(value.real() != nullptr ? Value(static_cast<int64_t>(*value.real())) : value, form);
    if (form.precision > static_cast<int64_t>(digits.size())) {
      expect_text_size(static_cast<size_t>(form.precision));
      digits.insert(0, static_cast<size_t>(form.precision) - digits.size(), '0');
    }
    return {sign, digits};
  }

  std::string_view rest_;
  bool safe_;
  const Value& value_;
  const Value* key_ = nullptr;  // of this conversion
  bool named_ = false;
  size_t taken_ = 0;
  std::string out_;
};

}  // namespace

Value percent_format(const Value& format, const Value& value) {
  return {PercentFormat(*format.text(), value).run(), format.is_safe()};
}

}  // namespace weft::jinja
