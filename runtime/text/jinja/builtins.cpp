#include "runtime/text/jinja/builtins.h"

#include <unicode/locid.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <ctime>
#include <map>

#include "kernels/core/check.h"
#include "runtime/text/jinja/lexer.h"

namespace weft::jinja {
namespace {

constexpr int64_t kMaxRange = 100'000;

std::string to_case(std::string_view text, bool upper) {
  icu::UnicodeString unicode =
      icu::UnicodeString::fromUTF8(icu::StringPiece(text.data(), static_cast<int32_t>(text.size())));
  upper ? unicode.toUpper(icu::Locale::getRoot()) : unicode.toLower(icu::Locale::getRoot());
  std::string out;
  return unicode.toUTF8String(out);
}

std::string capitalize(std::string_view text) {
  if (text.empty()) return {};
  const size_t first = characters(text.substr(0, 4))[0].size();
  return to_case(text.substr(0, first), true) + to_case(text.substr(first), false);
}

const std::string& as_text(const Value& value, const Arguments& where) {
  const auto* text = value.get<std::string>();
  if (text == nullptr) where.fail(cat("needs a string, not ", type_name(value)));
  return *text;
}

std::string replace(std::string_view text, std::string_view from, std::string_view to, int64_t count) {
  std::string out;
  size_t done = 0;
  for (size_t at = 0; count != 0 && (at = text.find(from, done)) != text.npos && !from.empty(); --count) {
    out.append(text, done, at - done).append(to);
    done = at + from.size();
  }
  return out.append(text, done);
}

// str.split: at runs of white space without a separator.
Value split(std::string_view text, const Value* separator, int64_t limit, const Arguments& where) {
  List parts;
  if (separator != nullptr && !separator->is_none()) {
    const std::string& by = as_text(*separator, where);
    if (by.empty()) where.fail("needs a separator that is not empty");
    for (size_t at; limit != 0 && (at = text.find(by)) != text.npos; --limit) {
      parts.push_back({std::string(text.substr(0, at))});
      text.remove_prefix(at + by.size());
    }
    parts.push_back({std::string(text)});
    return Value::list(std::move(parts));
  }
  if (limit >= 0) where.fail("with a limit and no separator is not supported");
  std::string word;
  for (const std::string_view c : characters(text)) {
    if (!strip(c, "", true, false).empty()) {
      word += c;
    } else if (!word.empty()) {
      parts.push_back({std::exchange(word, {})});
    }
  }
  if (!word.empty()) parts.push_back({std::move(word)});
  return Value::list(std::move(parts));
}

bool has_affix(const std::string& text, const Value& affix, bool at_start, const Arguments& where) {
  if (const List* list = affix.as_list()) {
    return std::ranges::any_of(*list, [&](const Value& item) { return has_affix(text, item, at_start, where); });
  }
  const std::string& wanted = as_text(affix, where);
  return at_start ? text.starts_with(wanted) : text.ends_with(wanted);
}

Value attribute_of(const Value& item, const std::string& name) {
  const Dict* dict = item.as_dict();
  const Value* found = dict == nullptr ? nullptr : find(*dict, name);
  return found == nullptr ? Value{} : *found;
}

Value items_of(const Value& value, const Arguments& where) {
  List items;
  const Dict* dict = value.as_dict();
  if (dict == nullptr && !value.is_undefined()) where.fail(cat("needs a mapping, not ", type_name(value)));
  if (dict != nullptr) {
    for (const auto& [key, item] : *dict) items.push_back(Value::list({{key}, item}));
  }
  return Value::list(std::move(items));
}

int64_t length_of(const Value& value, const Arguments& where) {
  if (const auto* text = value.get<std::string>()) return static_cast<int64_t>(characters(*text).size());
  if (const List* list = value.as_list()) return static_cast<int64_t>(list->size());
  if (const Dict* dict = value.as_dict()) return static_cast<int64_t>(dict->size());
  if (value.is_undefined()) return 0;
  where.fail(cat("needs a string, list or mapping, not ", type_name(value)));
}

Value to_integer(const Value& value, const Arguments& where) {
  const int64_t fallback = where.integer(0, "default", 0);
  if (value.is_integer()) return {value.integer()};
  if (const double* real = value.get<double>()) {
    return {std::isfinite(*real) && std::fabs(*real) < 9e18 ? static_cast<int64_t>(*real) : fallback};
  }
  if (const auto* text = value.get<std::string>()) {
    const std::string digits = strip(*text, "", true, true);
    int64_t number = 0;
    const char* end = digits.data() + digits.size();
    if (!digits.empty() && std::from_chars(digits.data(), end, number).ptr == end) return {number};
  }
  return {fallback};
}

Value join(const Value& value, const Arguments& args) {
  const std::string by = args.text(0, "d", "");
  if (args.find(1, "attribute") != nullptr) args.fail("with an attribute is not supported");
  std::string out;
  bool first = true;
  for (const Value& item : iterate(value, args)) {
    if (!std::exchange(first, false)) out += by;
    out += to_text(item);
  }
  return {std::move(out)};
}

Value map_items(const Value& value, const Arguments& args) {
  List out;
  const Value* attribute = args.find(9, "attribute");
  const std::string name = attribute == nullptr ? args.text(0, "filter", "") : as_text(*attribute, args);
  if (attribute == nullptr && !is_filter(name)) args.fail("with the filter '" + name + "' is not supported");
  Arguments inner{.what = "filter '" + name + "'", .line = args.line};
  if (args.positional.size() > 1) inner.positional.assign(args.positional.begin() + 1, args.positional.end());
  for (const Value& item : iterate(value, args)) {
    out.push_back(attribute != nullptr ? attribute_of(item, name) : apply_filter(name, item, inner));
  }
  return Value::list(std::move(out));
}

Value select_by_attribute(const Value& value, const Arguments& args, bool keep) {
  const std::string attribute = args.text(0, "attribute", "");
  const std::string test = args.text(1, "test", "");
  if (!test.empty() && !is_test(test)) args.fail("with the test '" + test + "' is not supported");
  Arguments inner{.what = "test '" + test + "'", .line = args.line};
  if (args.positional.size() > 2) inner.positional.assign(args.positional.begin() + 2, args.positional.end());
  List out;
  for (const Value& item : iterate(value, args)) {
    const Value field = attribute_of(item, attribute);
    if ((test.empty() ? truth(field) : apply_test(test, field, inner)) == keep) out.push_back(item);
  }
  return Value::list(std::move(out));
}

Value to_json_text(const Value& value, const Arguments& args) {
  for (const auto& [name, option] : args.named) {
    if (name != "indent" && name != "ensure_ascii") args.fail("with '" + name + "' is not supported");
    if (name == "ensure_ascii" && truth(option)) args.fail("with ensure_ascii is not supported");
  }
  args.expect_at_most(0);
  const Value* indent = args.find(9, "indent");
  if (value.is_undefined()) args.fail("cannot write an undefined value");
  const bool one_line = indent == nullptr || indent->is_none();
  return {to_json(value, one_line ? -1 : static_cast<int>(std::clamp<int64_t>(args.integer(9, "indent", 0), 0, 16)))};
}

Value end_of(const Value& value, const Arguments& where, bool first) {
  const List items = iterate(value, where);
  return items.empty() ? Value{} : first ? items.front() : items.back();
}

using Filter = Value (*)(const Value&, const Arguments&);

const std::map<std::string_view, Filter>& filters() {
  static const std::map<std::string_view, Filter> table = {
      {"trim",
       [](const Value& v, const Arguments& a) -> Value { return {strip(to_text(v), a.text(0, "chars", ""), true, true)}; }},
      {"upper", [](const Value& v, const Arguments&) -> Value { return {to_case(to_text(v), true)}; }},
      {"lower", [](const Value& v, const Arguments&) -> Value { return {to_case(to_text(v), false)}; }},
      {"capitalize", [](const Value& v, const Arguments&) -> Value { return {capitalize(to_text(v))}; }},
      {"string", [](const Value& v, const Arguments&) -> Value { return {to_text(v)}; }},
      {"safe", [](const Value& v, const Arguments&) -> Value { return v; }},
      {"length", [](const Value& v, const Arguments& a) -> Value { return {length_of(v, a)}; }},
      {"count", [](const Value& v, const Arguments& a) -> Value { return {length_of(v, a)}; }},
      {"first", [](const Value& v, const Arguments& a) { return end_of(v, a, true); }},
      {"last", [](const Value& v, const Arguments& a) { return end_of(v, a, false); }},
      {"list", [](const Value& v, const Arguments& a) { return Value::list(iterate(v, a)); }},
      {"items", items_of},
      {"int", to_integer},
      {"join", join},
      {"map", map_items},
      {"tojson", to_json_text},
      {"selectattr", [](const Value& v, const Arguments& a) { return select_by_attribute(v, a, true); }},
      {"rejectattr", [](const Value& v, const Arguments& a) { return select_by_attribute(v, a, false); }},
      {"replace",
       [](const Value& v, const Arguments& a) -> Value {
         return {replace(to_text(v), a.text(0, "old", ""), a.text(1, "new", ""), a.integer(2, "count", -1))};
       }},
      {"default",
       [](const Value& v, const Arguments& a) -> Value {
         const Value* fallback = a.find(0, "default_value");
         const Value* also_false = a.find(1, "boolean");
         const bool missing = v.is_undefined() || (also_false != nullptr && truth(*also_false) && !truth(v));
         return !missing ? v : fallback != nullptr ? *fallback : Value{std::string()};
       }},
  };
  return table;
}

std::string_view canonical_filter(std::string_view name) { return name == "d" ? "default" : name; }

const Value& operand(const Arguments& args) {
  if (args.positional.size() != 1) args.fail("needs one argument");
  return args.positional[0];
}

using Test = bool (*)(const Value&, const Arguments&);

const std::map<std::string_view, Test>& tests() {
  const auto is_equal = [](const Value& v, const Arguments& a) { return equal(v, operand(a)); };
  const auto remainder = [](const Value& v, const Arguments& a, int64_t divisor) {
    if (!v.is_integer() || divisor == 0) a.fail("needs an integer and a divisor that is not 0");
    return v.integer() % divisor;
  };
  static const auto rest = remainder;
  static const std::map<std::string_view, Test> table = {
      {"defined", [](const Value& v, const Arguments&) { return !v.is_undefined(); }},
      {"undefined", [](const Value& v, const Arguments&) { return v.is_undefined(); }},
      {"none", [](const Value& v, const Arguments&) { return v.is_none(); }},
      {"string", [](const Value& v, const Arguments&) { return v.get<std::string>() != nullptr; }},
      {"mapping", [](const Value& v, const Arguments&) { return v.as_dict() != nullptr; }},
      {"boolean", [](const Value& v, const Arguments&) { return v.get<bool>() != nullptr; }},
      {"integer", [](const Value& v, const Arguments&) { return v.get<int64_t>() != nullptr; }},
      {"float", [](const Value& v, const Arguments&) { return v.get<double>() != nullptr; }},
      {"number", [](const Value& v, const Arguments&) { return v.is_number(); }},
      {"true", [](const Value& v, const Arguments&) { return v.get<bool>() != nullptr && *v.get<bool>(); }},
      {"false", [](const Value& v, const Arguments&) { return v.get<bool>() != nullptr && !*v.get<bool>(); }},
      {"iterable", [](const Value& v, const Arguments&) { return !v.is_none() && !v.is_number(); }},
      {"sequence", [](const Value& v, const Arguments&) { return !v.is_none() && !v.is_number(); }},
      {"equalto", is_equal},
      {"eq", is_equal},
      {"ne", [](const Value& v, const Arguments& a) { return !equal(v, operand(a)); }},
      {"in", [](const Value& v, const Arguments& a) { return contains(operand(a), v, a); }},
      {"odd", [](const Value& v, const Arguments& a) { return rest(v, a, 2) != 0; }},
      {"even", [](const Value& v, const Arguments& a) { return rest(v, a, 2) == 0; }},
      {"divisibleby",
       [](const Value& v, const Arguments& a) {
         return rest(v, a, operand(a).is_integer() ? operand(a).integer() : 0) == 0;
       }},
  };
  return table;
}

Value call_string_method(const std::string& text, std::string_view name, const Arguments& args) {
  if (name == "strip" || name == "lstrip" || name == "rstrip") {
    return {strip(text, args.text(0, "", ""), name != "rstrip", name != "lstrip")};
  }
  if (name == "startswith" || name == "endswith") return {has_affix(text, operand(args), name == "startswith", args)};
  if (name == "split") return split(text, args.find(0, "sep"), args.integer(1, "maxsplit", -1), args);
  if (name == "replace") return {replace(text, args.text(0, "", ""), args.text(1, "", ""), args.integer(2, "", -1))};
  if (name == "upper" || name == "lower") return {to_case(text, name == "upper")};
  if (name == "capitalize") return {capitalize(text)};
  if (name == "find") {
    const size_t at = text.find(as_text(operand(args), args));
    return {at == text.npos ? int64_t{-1} : static_cast<int64_t>(characters(text.substr(0, at)).size())};
  }
  args.fail("is not supported");
}

Value call_dict_method(const Value& object, std::string_view name, const Arguments& args) {
  const Dict& dict = *object.as_dict();
  if (name == "items") return items_of(object, args);
  if (name == "keys") return Value::list(iterate(object, args));
  if (name == "values") {
    List values;
    for (const auto& item : dict) values.push_back(item.second);
    return Value::list(std::move(values));
  }
  if (name == "get") {
    const Value* fallback = args.find(1, "default");
    const Value* found = find(dict, args.text(0, "key", ""));
    return found != nullptr ? *found : fallback != nullptr ? *fallback : Value{None{}};
  }
  args.fail("is not supported");
}

Value range(const Arguments& args) {
  const size_t count = args.positional.size();
  if (count < 1 || count > 3) args.fail("needs one to three numbers");
  const int64_t first = count > 1 ? args.integer(0, "", 0) : 0;
  const int64_t last = args.integer(count > 1 ? 1 : 0, "", 0);
  const int64_t step = args.integer(2, "", 1);
  if (step == 0) args.fail("needs a step that is not 0");
  List numbers;
  for (int64_t i = first; step > 0 ? i < last : i > last; i += step) {
    if (numbers.size() >= kMaxRange) args.fail(cat("gives more than ", kMaxRange, " numbers"));
    numbers.push_back({i});
  }
  return Value::list(std::move(numbers));
}

Value format_time(const Arguments& args) {
  const std::string format = args.text(0, "format", "");
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  char buffer[256];
  return {std::string(buffer, std::strftime(buffer, sizeof buffer, format.c_str(), &local))};
}

}  // namespace

const Value* Arguments::find(size_t place, std::string_view name) const {
  if (place < positional.size()) return &positional[place];
  return jinja::find(named, name);
}

std::string Arguments::text(size_t place, std::string_view name, std::string_view fallback) const {
  const Value* value = find(place, name);
  return value == nullptr ? std::string(fallback) : as_text(*value, *this);
}

int64_t Arguments::integer(size_t place, std::string_view name, int64_t fallback) const {
  const Value* value = find(place, name);
  if (value == nullptr) return fallback;
  if (!value->is_integer()) fail(cat("needs an integer, not ", type_name(*value)));
  // Far beyond any length, and sums of a few of them cannot overflow.
  return std::clamp<int64_t>(value->integer(), -(int64_t{1} << 60), int64_t{1} << 60);
}

void Arguments::expect_at_most(size_t count) const {
  if (positional.size() > count) fail(cat("takes ", count, " arguments, not ", positional.size()));
}

void Arguments::fail(const std::string& message) const { template_error(line, what + " " + message); }

bool is_filter(std::string_view name) { return filters().contains(canonical_filter(name)); }
bool is_test(std::string_view name) { return tests().contains(name); }

Value apply_filter(std::string_view name, const Value& input, const Arguments& arguments) {
  return filters().at(canonical_filter(name))(input, arguments);
}

bool apply_test(std::string_view name, const Value& input, const Arguments& arguments) {
  return tests().at(name)(input, arguments);
}

Value call_method(const Value& object, std::string_view name, const Arguments& arguments) {
  if (const auto* text = object.get<std::string>()) return call_string_method(*text, name, arguments);
  if (object.as_dict() != nullptr) return call_dict_method(object, name, arguments);
  arguments.fail(cat("of ", type_name(object), " is not supported"));
}

Value call_function(std::string_view name, const Arguments& arguments) {
  if (name == "range") return range(arguments);
  if (name == "namespace" || name == "dict") {
    arguments.expect_at_most(0);
    return Value::dict(arguments.named);
  }
  if (name == "raise_exception")
    bad_input("the chat template refuses this conversation: ", arguments.text(0, "message", ""));
  if (name == "strftime_now") return format_time(arguments);
  arguments.fail("is not supported");
}

bool contains(const Value& container, const Value& item, const Arguments& where) {
  if (const auto* text = container.get<std::string>()) return text->find(as_text(item, where)) != text->npos;
  if (const List* list = container.as_list()) {
    return std::ranges::any_of(*list, [&](const Value& other) { return equal(other, item); });
  }
  if (const Dict* dict = container.as_dict()) {
    const auto* key = item.get<std::string>();
    return key != nullptr && find(*dict, *key) != nullptr;
  }
  if (container.is_undefined()) return false;
  where.fail(cat("needs a string, list or mapping, not ", type_name(container)));
}

List iterate(const Value& value, const Arguments& where) {
  List items;
  if (const List* list = value.as_list()) return *list;
  if (const Dict* dict = value.as_dict()) {
    for (const auto& item : *dict) items.push_back({item.first});
  } else if (const auto* text = value.get<std::string>()) {
    for (const std::string_view c : characters(*text)) items.push_back({std::string(c)});
  } else if (!value.is_undefined()) {
    where.fail(cat("needs a list, mapping or string, not ", type_name(value)));
  }
  return items;
}

}  // namespace weft::jinja
