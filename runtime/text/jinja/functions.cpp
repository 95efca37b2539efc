#include "runtime/text/jinja/functions.h"

#include <algorithm>

#include "runtime/text/jinja/arguments.h"
#include "runtime/text/jinja/iterate.h"
#include "runtime/text/jinja/lorem_ipsum.h"
#include "runtime/text/jinja/operators.h"
#include "runtime/text/jinja/repr.h"
#include "runtime/text/jinja/strftime.h"

namespace weft::jinja {
namespace {

constexpr int64_t kMaxRange = 100'000;  // as the sandbox has it

class Range : public Object {
 public:
  Range(int64_t start, int64_t step, int64_t count) : start_(start), step_(step), count_(count) {}
  std::string type() const override { return "range"; }
  std::optional<int64_t> length() override { return count_; }
  bool has_items() const override { return true; }
  std::shared_ptr<Iterator> iterate() override { return run(start_, step_); }
  std::shared_ptr<Iterator> reversed() override { return run(at(count_ - 1), -step_); }
  std::string repr() override {
    return cat("range(", start_, ", ", stop_of(start_, step_, count_), step_ == 1 ? ")" : cat(", ", step_, ")"));
  }
  std::optional<Value> item(const Value& key) override {
    if (!key.is_integer()) return std::nullopt;
    const int64_t place = key.integer() < 0 ? key.integer() + count_ : key.integer();
    return place < 0 || place >= count_ ? std::nullopt : std::optional<Value>(at(place));
  }
  Value slice(int64_t first, int64_t last, int64_t stride, int64_t count) override {
    auto part = std::make_shared<Range>(at(first), step_ * stride, count);
    part->stop_ = at(last);
    return part;
  }
  std::optional<Value> attribute(std::string_view name) override {
    if (name == "start") return start_;
    if (name == "stop") return stop_of(start_, step_, count_);
    if (name == "step") return step_;
    if (name == "count" || name == "index") {
      return std::make_shared<Function>(
          [this, self = shared_from_this(), index = name == "index"](const Arguments& a) -> Value {
            const Value wanted = Parameters("the method of a range", a, {"/value"}, 1)[0];
            for (int64_t i = 0; i < count_; ++i) {
              spend(1);
              if (equal(at(i), wanted)) return index ? i : 1;
            }
            if (index) fail("the method 'index' does not find ", jinja::repr(wanted));
            return 0;
          });
    }
    return std::nullopt;
  }
  bool equals(const Object& other) const override {
    const auto* range = dynamic_cast<const Range*>(&other);
    return range != nullptr && range->count_ == count_ && (count_ == 0 || range->start_ == start_) &&
           (count_ <= 1 || range->step_ == step_);
  }

  std::optional<int64_t> stop_;  // as it was written

 private:
  int64_t at(int64_t i) const { return start_ + i * step_; }
  int64_t stop_of(int64_t start, int64_t step, int64_t count) const { return stop_.value_or(start + step * count); }
  std::shared_ptr<Iterator> run(int64_t from, int64_t step) const {
    return generate(None{}, [from, step, left = count_](Value& out) mutable {
      if (left-- <= 0) return false;
      out = from;
      from += step;
      return true;
    });
  }

  int64_t start_, step_, count_;
};

Value make_range(const Arguments& arguments) {
  const Parameters p("the function 'range'", arguments, {"/start", "/stop", "/step"}, 1);
  const int64_t start = p.given(1) ? p.integer(0, 0) : 0, stop = p.integer(p.given(1) ? 1 : 0, 0), step = p.integer(2, 1);
  if (step == 0) fail("the function 'range' needs a step that is not 0");
  const __int128 span = step > 0 ? static_cast<__int128>(stop) - start : static_cast<__int128>(start) - stop;
  const __int128 pace = step > 0 ? static_cast<__int128>(step) : -static_cast<__int128>(step);
  const __int128 count = span <= 0 ? 0 : (span - 1) / pace + 1;
  if (count > kMaxRange) fail("the function 'range' gives more than ", kMaxRange, " numbers");
  auto range = std::make_shared<Range>(start, step, static_cast<int64_t>(count));
  range->stop_ = stop;
  return range;
}

void add_pairs(Dict& dict, const Value& pairs) {
  if (pairs.is_undefined()) fail_undefined(*pairs.undefined());
  if (pairs.dict() != nullptr) {
    for (const auto& [key, value] : pairs.dict()->items()) dict.set(key, value);
    return;
  }
  const auto source = iterate(pairs, "the function 'dict'");
  for (Value item; source->next(item);) {
    std::vector<Value> pair = items_of(item, "the function 'dict'");
    if (pair.size() != 2) fail("the function 'dict' needs pairs");
    hash(pair[0]);
    dict.set(std::move(pair[0]), std::move(pair[1]));
  }
}

// What dict() and namespace() take: one mapping or list of pairs, and names.
Dict make_members(const Arguments& arguments, std::string_view who) {
  if (arguments.positional.size() > 1) fail("the function '", who, "' takes one mapping, not ", arguments.positional.size());
  Dict members;
  for (const Value& pairs : arguments.positional) add_pairs(members, pairs);
  for (const auto& [name, value] : arguments.named) members.set(name, value);
  return members;
}

class DictFunction : public Function {
 public:
  DictFunction() : Function([](const Arguments& a) { return Value::dict(make_members(a, "dict")); }) {}
  std::optional<Value> attribute(std::string_view name) override {
    return name == "fromkeys" ? std::optional<Value>(std::make_shared<Function>(dict_from_keys)) : std::nullopt;
  }
};

Value make_namespace(const Arguments& arguments) {
  auto space = std::make_shared<Namespace>();
  Rendering::current().keep(space);
  const Dict members = make_members(arguments, "namespace");
  for (const auto& [name, value] : members.items()) {
    if (name.text() == nullptr) fail("the attributes of a namespace have names, not ", type_name(name));
    space->set(name.text()->bytes, value);
  }
  return space;
}

class Cycler : public Object {
 public:
  explicit Cycler(std::vector<Value> items) : items_(Value::tuple(std::move(items))) {
    depth = one_deeper(depth_of(items_));
  }
  std::string type() const override { return "Cycler"; }
  std::optional<Value> attribute(std::string_view name) override {
    if (name == "items") return items_;
    if (name == "pos") return static_cast<int64_t>(at_);
    if (name == "current") return current();
    if (name == "next" || name == "reset") {
      return std::make_shared<Function>(
          [self = std::static_pointer_cast<Cycler>(shared_from_this()), next = name == "next"](const Arguments& a) {
            Parameters("the method of a cycler", a, {});
            const Value item = self->current();
            self->at_ = next ? (self->at_ + 1) % self->items_.tuple()->items.size() : 0;
            return next ? item : Value(None{});
          });
    }
    return std::nullopt;
  }

 private:
  const Value& current() const { return items_.tuple()->items[at_]; }

  Value items_;
  size_t at_ = 0;
};

class Joiner : public Object {
 public:
  explicit Joiner(Value separator) : separator_(std::move(separator)) { depth = one_deeper(depth_of(separator_)); }
  std::string type() const override { return "Joiner"; }
  bool callable() const override { return true; }
  Value call(const Arguments& arguments) override {
    Parameters("a joiner", arguments, {});
    return std::exchange(used_, true) ? separator_ : Value("");
  }
  std::optional<Value> attribute(std::string_view name) override {
    return name == "sep" ? std::optional(separator_) : name == "used" ? std::optional<Value>(used_) : std::nullopt;
  }

 private:
  Value separator_;
  bool used_ = false;
};

Value make_cycler(const Arguments& arguments) {
  if (!arguments.named.empty()) fail("the function 'cycler' has no argument '", arguments.named[0].first, "'");
  if (arguments.positional.empty()) fail("the function 'cycler' needs at least one item");
  return std::make_shared<Cycler>(arguments.positional);
}

Value make_joiner(const Arguments& arguments) {
  const Parameters p("the function 'joiner'", arguments, {"sep"});
  return std::make_shared<Joiner>(p.given(0) ? p[0] : Value(", "));
}

Value raise_exception(const Arguments& arguments) {
  const Parameters p("the function 'raise_exception'", arguments, {"message"}, 1);
  bad_input("the chat template refuses this conversation: ", to_text(p[0]));
}

}  // namespace

Value dict_from_keys(const Arguments& arguments) {
  const Parameters p("the method 'fromkeys'", arguments, {"/iterable", "/value"}, 1);
  Dict dict;
  const auto source = iterate(p[0], p.who());
  for (Value key; source->next(key);) {
    hash(key);
    dict.set(key, p.given(1) ? p[1] : Value(None{}));
  }
  return Value::dict(std::move(dict));
}

std::optional<Value> Namespace::attribute(std::string_view name) {
  const Value* found = attributes_.find(name);
  return found == nullptr || name.starts_with('_') ? std::nullopt : std::optional(*found);
}

std::string Namespace::repr() {
  std::string text;
  for (const auto& [name, value] : attributes_.items()) {
    text += (text.empty() ? "" : ", ") + jinja::repr(name) + ": " + jinja::repr(value);
    expect_text_size(text.size());
  }
  return "<Namespace {" + text + "}>";
}

void Namespace::set(const std::string& name, Value value) {
  if (name.starts_with('_'))
    fail("the attribute '", name, "' of a namespace begins with an underscore, which is not allowed");
  spend_bytes(sizeof(Dict::Item));
  attributes_.set(name, std::move(value));
}

std::optional<Value> find_global(std::string_view name) {
  using Run = Value (*)(const Arguments&);
  static const std::map<std::string_view, Run> functions = {
      {"range", make_range},   {"namespace", make_namespace},        {"cycler", make_cycler},
      {"joiner", make_joiner}, {"raise_exception", raise_exception}, {"strftime_now", strftime_now},
      {"lipsum", lorem_ipsum},
  };
  if (name == "dict") return std::make_shared<DictFunction>();
  const auto found = functions.find(name);
  if (found == functions.end()) return std::nullopt;
  return std::make_shared<Function>(found->second);
}

}  // namespace weft::jinja
