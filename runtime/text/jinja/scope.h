#pragma once
// The names that a place in a template sees: its own, then those around it where it is written.
#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/text/jinja/rendering.h"
#include "runtime/text/jinja/value.h"

namespace weft::jinja {

class Scope : public Cell {
 public:
  explicit Scope(std::shared_ptr<Scope> parent) : parent_(std::move(parent)) {}

  // Here or around; null where there is none.
  const Value* find(std::string_view name) const {
    for (const Scope* scope = this; scope != nullptr; scope = scope->parent_.get()) {
      const auto found = std::ranges::find(scope->names_, name, &std::pair<std::string_view, Value>::first);
      if (found != scope->names_.end()) return &found->second;
    }
    return nullptr;
  }

  // name: a part of the template.
  void set(std::string_view name, Value value) {
    const auto found = std::ranges::find(names_, name, &std::pair<std::string_view, Value>::first);
    if (found != names_.end()) {
      found->second = std::move(value);
    } else {
      names_.emplace_back(name, std::move(value));
    }
  }

  void clear() override { names_.clear(); }

 private:
  std::shared_ptr<Scope> parent_;
  std::vector<std::pair<std::string_view, Value>> names_;
};

}  // namespace weft::jinja
