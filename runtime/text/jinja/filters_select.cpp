#include <algorithm>

#include "runtime/text/jinja/arguments.h"
#include "runtime/text/jinja/attributes.h"
#include "runtime/text/jinja/filters.h"
#include "runtime/text/jinja/iterate.h"
#include "runtime/text/jinja/operators.h"
#include "runtime/text/jinja/rendering.h"
#include "runtime/text/jinja/repr.h"
#include "runtime/text/jinja/select.h"
#include "runtime/text/jinja/unicode.h"

namespace weft::jinja {
namespace {

std::vector<std::string> split_at(const std::string& text, char by) {
  std::vector<std::string> parts(1);
  for (const char c : text) c == by ? parts.emplace_back() : parts.back() += c;
  return parts;
}

// Filters that compare texts take no notice of their case unless they are told to.
Value fold(const Value& value, bool case_sensitive) {
  return case_sensitive || value.text() == nullptr ? value : Value(to_lower(value.text()->bytes));
}

Arguments without_first(const Arguments& arguments, size_t n) {
  return {.positional = {arguments.positional.begin() + static_cast<std::ptrdiff_t>(n), arguments.positional.end()},
          .named = arguments.named};
}

int depth_of_all(const Value& value, const Arguments& arguments) {
  int depth = depth_of(value);
  for (const Value& argument : arguments.positional) depth = std::max(depth, depth_of(argument));
  for (const auto& [name, argument] : arguments.named) depth = std::max(depth, depth_of(argument));
  return depth;
}

std::function<Value(const Value&)> mapped_by(const Arguments& arguments) {
  if (arguments.positional.empty() && !arguments.named.empty() &&
      std::ranges::find(arguments.named, "attribute", [](const auto& n) { return n.first; }) != arguments.named.end()) {
    const Parameters p("the filter 'map'", arguments, {"attribute", "default"});
    return [get = AttributeGetter(p[0], p.given(1) ? p[1] : Value(None{}))](const Value& item) { return get(item); };
  }
  if (arguments.positional.empty()) fail("the filter 'map' needs the name of a filter, or an attribute");
  if (arguments.positional[0].text() == nullptr)
    fail("the filter 'map' needs the name of a filter, not ", type_name(arguments.positional[0]));
  return [name = arguments.positional[0].text()->bytes, rest = without_first(arguments, 1)](const Value& item) {
    return apply_filter(name, item, rest);
  };
}

// Generators do nothing, and fail for nothing, before they are asked for an item; what is false gives none.
Value map(const Value& value, const Arguments& arguments) {
  auto generator = generate(value, [value, arguments, source = std::shared_ptr<Iterator>(),
                                    apply = std::function<Value(const Value&)>()](Value& out) mutable {
    if (source == nullptr) {
      if (!truth(value)) return false;
      apply = mapped_by(arguments);
      source = iterate(value, "the filter 'map'");
    }
    Value item;
    if (!source->next(item)) return false;
    out = apply(item);
    return true;
  });
  generator->depth = one_deeper(depth_of_all(value, arguments));
  return generator;
}

std::function<bool(const Value&)> selected_by(const Arguments& arguments, bool by_attribute) {
  const size_t before = by_attribute ? 1 : 0;
  if (arguments.positional.size() < before) fail("the filter 'selectattr' needs the name of an attribute");
  const AttributeGetter get(by_attribute ? arguments.positional[0] : Value(None{}));
  if (arguments.positional.size() == before) return [get](const Value& item) { return truth(get(item)); };
  const Value& test = arguments.positional[before];
  if (test.text() == nullptr) fail("the name of a test is a string, not ", type_name(test));
  return [get, name = test.text()->bytes, rest = without_first(arguments, before + 1)](const Value& item) {
    return apply_test(name, get(item), rest);
  };
}

template <bool by_attribute, bool keep>
Value select(const Value& value, const Arguments& arguments) {
  auto generator = generate(value, [value, arguments, source = std::shared_ptr<Iterator>(),
                                    passes = std::function<bool(const Value&)>()](Value& out) mutable {
    if (source == nullptr) {
      if (!truth(value)) return false;
      passes = selected_by(arguments, by_attribute);
      source = iterate(value, "a filter that selects");
    }
    while (source->next(out)) {
      if (passes(out) == keep) return true;
    }
    return false;
  });
  generator->depth = one_deeper(depth_of_all(value, arguments));
  return generator;
}

using Keyed = std::pair<Value, Value>;  // what is compared, and the item

std::vector<Value> sorted(std::vector<Keyed> items, bool reverse) {
  // Stable also when it is reversed.
  std::ranges::stable_sort(
      items, [&](const Keyed& a, const Keyed& b) { return reverse ? less(b.first, a.first) : less(a.first, b.first); });
  std::vector<Value> out;
  for (Keyed& item : items) out.push_back(std::move(item.second));
  return out;
}

Value sort(const Value& value, const Arguments& arguments) {
  const Parameters p("the filter 'sort'", arguments, {"reverse", "case_sensitive", "attribute"});
  std::vector<AttributeGetter> getters;  // one an attribute, the more important first
  if (p[2].text() != nullptr) {
    for (const std::string& part : split_at(p[2].text()->bytes, ',')) getters.emplace_back(Value(part));
  } else {
    getters.emplace_back(p.given(2) ? p[2] : Value(None{}));
  }
  std::vector<Keyed> items;
  for (const Value& item : items_of(value, p.who())) {
    std::vector<Value> key;
    for (const AttributeGetter& get : getters) key.push_back(fold(get(item), p.flag(1, false)));
    items.emplace_back(Value::tuple(std::move(key)), item);
  }
  return Value::list(sorted(std::move(items), p.integer(0, 0) != 0));
}

Value dict_sort(const Value& value, const Arguments& arguments) {
  const Parameters p("the filter 'dictsort'", arguments, {"case_sensitive", "by", "reverse"});
  const std::string by = p.text(1, "key");
  if (by != "key" && by != "value") fail(p.who(), " sorts by key or value, not ", quoted(by));
  if (value.is_undefined()) fail_undefined(*value.undefined());
  if (value.dict() == nullptr) fail(p.who(), " needs a mapping, not ", type_name(value));
  std::vector<Keyed> items;
  for (const auto& [key, item] : value.dict()->items()) {
    items.emplace_back(fold(by == "key" ? key : item, p.flag(0, false)), Value::tuple({key, item}));
  }
  return Value::list(sorted(std::move(items), p.integer(2, 0) != 0));
}

template <bool largest>
Value extreme(const Value& value, const Arguments& arguments) {
  const Parameters p(largest ? "the filter 'max'" : "the filter 'min'", arguments, {"case_sensitive", "attribute"});
  const AttributeGetter get(p.given(1) ? p[1] : Value(None{}));
  const auto source = iterate(value, p.who());
  Value best, item;
  if (!source->next(best)) return Value::undefined("there is no item to choose from");
  Value best_key = fold(get(best), p.flag(0, false));
  while (source->next(item)) {
    Value key = fold(get(item), p.flag(0, false));
    if (largest ? less(best_key, key) : less(key, best_key)) {
      best = item;
      best_key = std::move(key);
    }
  }
  return best;
}

Value unique(const Value& value, const Arguments& arguments) {
  const Parameters p("the filter 'unique'", arguments, {"case_sensitive", "attribute"});
  return generate(value, [value, get = AttributeGetter(p.given(1) ? p[1] : Value(None{})), exact = p.flag(0, false),
                          source = std::shared_ptr<Iterator>(), seen = Dict()](Value& out) mutable {
    if (source == nullptr) source = iterate(value, "the filter 'unique'");
    while (source->next(out)) {
      const Value key = fold(get(out), exact);
      hash(key);
      if (seen.find(key) != nullptr) continue;
      seen.set(key, true);
      return true;
    }
    return false;
  });
}

Value group_by(const Value& value, const Arguments& arguments) {
  static constexpr const char* names[] = {"grouper", "list"};
  const Parameters p("the filter 'groupby'", arguments, {"attribute", "default", "case_sensitive"}, 1);
  const AttributeGetter get(p[0], p.given(1) ? p[1] : Value(None{}));
  const auto key_of = [&](const Value& item) { return fold(get(item), p.flag(2, false)); };
  std::vector<Keyed> keyed;
  for (const Value& item : items_of(value, p.who())) keyed.emplace_back(key_of(item), item);
  std::vector<Value> groups, group;
  const auto close = [&] {
    if (!group.empty()) groups.push_back(Value::tuple({get(group[0]), Value::list(group)}, names));
    group.clear();
  };
  for (const Value& item : sorted(std::move(keyed), false)) {
    if (!group.empty() && !equal(key_of(group[0]), key_of(item))) close();
    group.push_back(item);
  }
  close();
  return Value::list(std::move(groups));
}

}  // namespace

AttributeGetter::AttributeGetter(const Value& attribute, Value fallback) : fallback_(std::move(fallback)) {
  if (attribute.is_none()) return;
  if (attribute.text() == nullptr) {
    path_.push_back(attribute);
    return;
  }
  for (const std::string& part : split_at(attribute.text()->bytes, '.')) {
    path_.push_back(text_is("isdigit", part) ? parse_integer(part, 10).value_or(part) : Value(part));
  }
}

Value AttributeGetter::operator()(Value item) const {
  for (const Value& part : path_) {
    item = get_item(item, part);
    if (item.is_undefined() && !fallback_.is_none()) item = fallback_;
  }
  return item;
}

const Filters& select_filters() {
  static const Filters filters = {
      {"dictsort", dict_sort},
      {"groupby", group_by},
      {"map", map},
      {"max", extreme<true>},
      {"min", extreme<false>},
      {"reject", select<false, false>},
      {"rejectattr", select<true, false>},
      {"select", select<false, true>},
      {"selectattr", select<true, true>},
      {"sort", sort},
      {"unique", unique},
  };
  return filters;
}

}  // namespace weft::jinja
