#pragma once
// The global functions that transformers gives to templates.
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/text/jinja/rendering.h"
#include "runtime/text/jinja/value.h"

namespace weft::jinja {

// range, dict, namespace, cycler, joiner, lipsum, raise_exception, strftime_now: values like any other.
std::optional<Value> find_global(std::string_view name);

Value dict_from_keys(const Arguments& arguments);  // dict.fromkeys

// Anything that can be called and has no more to it.
class Function : public Object {
 public:
  explicit Function(std::function<Value(const Arguments&)> run) : run_(std::move(run)) {}
  std::string type() const override { return "function"; }
  bool callable() const override { return true; }
  Value call(const Arguments& arguments) override { return run_(arguments); }

 private:
  std::function<Value(const Arguments&)> run_;
};

// namespace(...): the one object whose attributes templates can set.
class Namespace : public Object, public Cell {
 public:
  std::string type() const override { return "Namespace"; }
  std::optional<Value> attribute(std::string_view name) override;
  std::string repr() override;
  void set(const std::string& name, Value value);
  void clear() override { attributes_ = {}; }

 private:
  Dict attributes_;
};

}  // namespace weft::jinja
