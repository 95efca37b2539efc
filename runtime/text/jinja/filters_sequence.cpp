#include <algorithm>

#include "runtime/text/jinja/arguments.h"
#include "runtime/text/jinja/filters.h"
#include "runtime/text/jinja/iterate.h"
#include "runtime/text/jinja/lorem_ipsum.h"
#include "runtime/text/jinja/markup.h"
#include "runtime/text/jinja/operators.h"
#include "runtime/text/jinja/rendering.h"
#include "runtime/text/jinja/repr.h"
#include "runtime/text/jinja/select.h"
#include "runtime/text/jinja/unicode.h"

namespace weft::jinja {
namespace {

Value first(const Value& value, const Arguments& arguments) {
  const Parameters p("the filter 'first'", arguments, {});
  Value item;
  return iterate(value, p.who())->next(item) ? item : Value::undefined("there is no first item");
}

std::shared_ptr<Iterator> backwards(const Value& value, std::string_view who) {
  auto items = iterate_backwards(value);
  if (items == nullptr) fail(who, " cannot go backwards through a ", type_name(value));
  return items;
}

Value last(const Value& value, const Arguments& arguments) {
  const Parameters p("the filter 'last'", arguments, {});
  Value item;
  return backwards(value, p.who())->next(item) ? item : Value::undefined("there is no last item");
}

Value reverse(const Value& value, const Arguments& arguments) {
  const Parameters p("the filter 'reverse'", arguments, {});
  if (value.text() != nullptr) {
    std::vector<char32_t> all = code_points(value.text()->bytes);
    std::ranges::reverse(all);
    return {to_utf8(all), value.is_safe()};
  }
  if (auto items = iterate_backwards(value)) return items;
  std::vector<Value> items = items_of(value, p.who());
  std::ranges::reverse(items);
  return Value::list(std::move(items));
}

Value length(const Value& value, const Arguments& arguments) {
  const Parameters p("the filter 'length'", arguments, {});
  return length_of(value, p.who());
}

Value list(const Value& value, const Arguments& arguments) {
  const Parameters p("the filter 'list'", arguments, {});
  return Value::list(items_of(value, p.who()));
}

Value items(const Value& value, const Arguments& arguments) {
  const Parameters p("the filter 'items'", arguments, {});
  // As everything about a generator, this fails when its first item is asked for.
  return generate(value, [value, at = size_t{0}](Value& out) mutable {
    if (value.is_undefined()) return false;
    if (value.dict() == nullptr) fail("the filter 'items' needs a mapping, not ", type_name(value));
    if (at == value.dict()->size()) return false;
    const auto& [key, item] = value.dict()->items()[at++];
    out = Value::tuple({key, item});
    return true;
  });
}

Value join(const Value& value, const Arguments& arguments) {
  const Parameters p("the filter 'join'", arguments, {"d", "attribute"});
  const Value separator = p.given(0) ? p[0] : Value("");
  std::vector<Value> parts = items_of(value, p.who());
  if (p.given_not_none(1)) {
    const AttributeGetter get(p[1]);
    for (Value& part : parts) part = get(part);
  }
  bool safe = separator.is_safe();
  for (const Value& part : parts) safe |= part.is_safe();
  safe &= Rendering::current().autoescape;
  const std::string by = safe ? escaped(separator) : to_text(separator);
  std::string out;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) out += by;
    out += safe ? escaped(parts[i]) : to_text(parts[i]);
    expect_text_size(out.size());
  }
  return {std::move(out), safe};
}

// Columns of nearly equal length.
Value slice(const Value& value, const Arguments& arguments) {
  const Parameters p("the filter 'slice'", arguments, {"slices", "fill_with"}, 1);
  return generate(value, [value, slices = p[0], fill = p[1], filled = p.given_not_none(1), all = std::vector<Value>(),
                          at = int64_t{0}, offset = int64_t{0}](Value& out) mutable {
    if (!slices.is_integer()) fail("the filter 'slice' needs an integer, not ", type_name(slices));
    const int64_t n = slices.integer();
    if (at == 0) all = items_of(value, "the filter 'slice'");
    if (n == 0) fail("the filter 'slice' needs a number of slices that is not 0");
    if (at >= n) return false;
    const int64_t size = static_cast<int64_t>(all.size()), each = size / n, longer = size % n;
    const int64_t begin = offset, end = offset + each + (at < longer ? 1 : 0);
    std::vector<Value> column(all.begin() + begin, all.begin() + end);
    if (filled && at >= longer) column.push_back(fill);
    offset = end;
    ++at;
    out = Value::list(std::move(column));
    return true;
  });
}

Value batch(const Value& value, const Arguments& arguments) {
  const Parameters p("the filter 'batch'", arguments, {"linecount", "fill_with"}, 1);
  return generate(value, [value, count = p[0], fill = p[1], filled = p.given_not_none(1),
                          source = std::shared_ptr<Iterator>(), held = std::vector<Value>()](Value& out) mutable {
    if (source == nullptr) source = iterate(value, "the filter 'batch'");
    if (!count.is_number()) {
      Value any;  // only compared with a number of items once there are some
      if (!source->next(any)) return false;
      fail("the filter 'batch' needs an integer, not ", type_name(count));
    }
    std::vector<Value> row = std::exchange(held, {});
    for (Value item; source->next(item);) {
      if (static_cast<double>(row.size()) == count.number()) {
        held.push_back(item);
        break;
      }
      row.push_back(item);
    }
    if (row.empty() && held.empty()) return false;
    if (held.empty() && filled && count.is_integer() && static_cast<int64_t>(row.size()) < count.integer()) {
      const size_t missing = static_cast<size_t>(count.integer()) - row.size();
      spend(missing);
      row.insert(row.end(), missing, fill);
    }
    out = Value::list(std::move(row));
    return true;
  });
}

Value sum(const Value& value, const Arguments& arguments) {
  const Parameters p("the filter 'sum'", arguments, {"attribute", "start"});
  const AttributeGetter get(p.given(0) ? p[0] : Value(None{}));
  Value total = p.given(1) ? p[1] : Value(0);
  const auto source = iterate(value, p.who());
  if (total.text() != nullptr) fail(p.who(), " adds numbers, not strings");
  for (Value item; source->next(item);) total = arithmetic("+", total, get(item));
  return total;
}

Value random(const Value& value, const Arguments& arguments) {
  const Parameters p("the filter 'random'", arguments, {});
  const int64_t n = length_of(value, p.who());
  if (n == 0) return Value::undefined("there is no random item");
  if (value.dict() != nullptr) fail(p.who(), " needs a list or a string, not dict");
  return items_of(value, p.who())[static_cast<size_t>(random_below(n))];
}

}  // namespace

const Filters& sequence_filters() {
  static const Filters filters = {
      {"batch", batch},   {"count", length}, {"first", first},   {"items", items},     {"join", join},   {"last", last},
      {"length", length}, {"list", list},    {"random", random}, {"reverse", reverse}, {"slice", slice}, {"sum", sum},
  };
  return filters;
}

}  // namespace weft::jinja
