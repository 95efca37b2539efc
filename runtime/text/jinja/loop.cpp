#include "runtime/text/jinja/loop.h"

#include "runtime/text/jinja/arguments.h"
#include "runtime/text/jinja/functions.h"
#include "runtime/text/jinja/iterate.h"
#include "runtime/text/jinja/operators.h"

namespace weft::jinja {

Loop::Loop(std::shared_ptr<Iterator> items, std::optional<int64_t> size, int64_t depth, Recurse recurse)
    : items_(std::move(items)), size_(size), recursion_(depth), recurse_(std::move(recurse)) {}

bool Loop::next(Value& item) {
  if (items_ == nullptr) return false;
  if (!peek()) {
    items_ = nullptr;
    return false;
  }
  ++index_;
  before_ = std::exchange(current_, std::exchange(after_, std::nullopt));
  item = *current_;
  return true;
}

bool Loop::peek() {
  Value item;
  if (!after_ && items_ != nullptr && items_->next(item)) after_ = item;
  return after_.has_value();
}

void Loop::clear() {
  if (!size_ && items_ != nullptr) length();
  items_ = nullptr;
  before_ = current_ = after_ = last_changed_ = std::nullopt;
}

std::optional<int64_t> Loop::length() {
  if (!size_) {  // the rest is taken to be counted
    std::vector<Value> rest;
    for (Value item; items_ != nullptr && items_->next(item);) rest.push_back(item);
    size_ = static_cast<int64_t>(rest.size()) + index_ + 1 + (after_ ? 1 : 0);
    items_ = jinja::iterate(Value::list(std::move(rest)), "loop");
  }
  return size_;
}

std::optional<Value> Loop::attribute(std::string_view name) {
  if (name == "index") return index_ + 1;
  if (name == "index0") return index_;
  if (name == "first") return index_ == 0;
  if (name == "last") return !peek();
  if (name == "length") return *length();
  if (name == "revindex") return *length() - index_;
  if (name == "revindex0") return *length() - index_ - 1;
  if (name == "depth") return recursion_ + 1;
  if (name == "depth0") return recursion_;
  if (name == "previtem") return index_ == 0 || !before_ ? Value::undefined("there is no previous item") : *before_;
  if (name == "nextitem") return peek() ? *after_ : Value::undefined("there is no next item");
  if (name == "cycle" || name == "changed") {
    return std::make_shared<Function>([this, self = shared_from_this(), cycles = name == "cycle"](const Arguments& a) {
      if (!a.named.empty()) fail("the methods of a loop have no argument '", a.named[0].first, "'");
      return cycles ? cycle(a) : changed(a);
    });
  }
  return std::nullopt;
}

Value Loop::cycle(const Arguments& arguments) const {
  if (arguments.positional.empty()) fail("the method 'cycle' needs at least one item");
  return arguments.positional[static_cast<size_t>(index_) % arguments.positional.size()];
}

Value Loop::changed(const Arguments& arguments) {
  Value now = Value::tuple(arguments.positional);
  if (last_changed_ && equal(*last_changed_, now)) return false;
  if (!last_changed_) Rendering::current().keep(std::static_pointer_cast<Loop>(shared_from_this()));
  last_changed_ = std::move(now);
  return true;
}

std::shared_ptr<Iterator> Loop::iterate() {
  return generate(None{}, [this, self = shared_from_this()](Value& out) {
    Value item;
    if (!next(item)) return false;
    out = Value::tuple({item, self});
    return true;
  });
}

Value Loop::call(const Arguments& arguments) {
  const Parameters p("the function 'loop'", arguments, {"iterable"}, 1);
  if (recurse_ == nullptr) fail("only a loop that is marked 'recursive' can be called");
  return recurse_(p[0], recursion_ + 1);
}

std::string Loop::repr() { return cat("<LoopContext ", index_ + 1, "/", *length(), ">"); }

}  // namespace weft::jinja
