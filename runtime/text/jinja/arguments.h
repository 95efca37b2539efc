#pragma once
// What a filter, test, method or function is called with, read by the names of its parameters.
#include <array>
#include <initializer_list>
#include <string>
#include <string_view>

#include "runtime/text/jinja/value.h"

namespace weft::jinja {

class Parameters {
 public:
  // names: in their order; one that begins with '/' can only be given by its place. The first `required` must be given.
  // Fails where too many, too few or unknown arguments are given. `arguments` must outlive it.
  Parameters(std::string who, const Arguments& arguments, std::initializer_list<std::string_view> names,
             size_t required = 0);

  bool given(size_t i) const { return values_[i] != nullptr; }
  bool given_not_none(size_t i) const { return given(i) && !values_[i]->is_none(); }
  const Value& operator[](size_t i) const;  // undefined where it is not given
  const std::string& who() const { return who_; }

  // With the type that Python needs here; the fallback where it is not given.
  bool flag(size_t i, bool fallback) const;  // by truth
  int64_t integer(size_t i, int64_t fallback) const;
  const Text& text(size_t i) const;
  std::string text(size_t i, std::string_view fallback) const;

 private:
  std::string who_;  // "the filter 'join'"
  std::array<const Value*, 8> values_ = {};
};

}  // namespace weft::jinja
