#include "runtime/text/jinja/arguments.h"

#include <algorithm>

#include "runtime/text/jinja/operators.h"
#include "runtime/text/jinja/rendering.h"

namespace weft::jinja {

Parameters::Parameters(std::string who, const Arguments& arguments, std::initializer_list<std::string_view> names,
                       size_t required)
    : who_(std::move(who)) {
  if (arguments.positional.size() > names.size()) {
    fail(who_, " takes ", names.size(), " arguments, not ", arguments.positional.size());
  }
  for (size_t i = 0; i < arguments.positional.size(); ++i) values_[i] = &arguments.positional[i];
  for (const auto& [name, value] : arguments.named) {
    const size_t place = std::ranges::find(names, name) - names.begin();
    if (place == names.size()) fail(who_, " has no argument '", name, "'");
    if (values_[place] != nullptr) fail(who_, " is given '", name, "' twice");
    values_[place] = &value;
  }
  for (size_t i = 0; i < required; ++i) {
    if (!given(i)) fail(who_, " needs the argument '", names.begin()[i].substr(names.begin()[i].starts_with('/')), "'");
  }
}

const Value& Parameters::operator[](size_t i) const {
  static const Value missing;
  return given(i) ? *values_[i] : missing;
}

bool Parameters::flag(size_t i, bool fallback) const { return given(i) ? truth(*values_[i]) : fallback; }

int64_t Parameters::integer(size_t i, int64_t fallback) const {
  if (!given(i)) return fallback;
  if (values_[i]->is_undefined()) fail_undefined(*values_[i]->undefined());
  if (!values_[i]->is_integer()) fail(who_, " needs an integer, not ", type_name(*values_[i]));
  return values_[i]->integer();
}

const Text& Parameters::text(size_t i) const {
  if ((*this)[i].is_undefined()) fail_undefined(*(*this)[i].undefined());
  const Text* text = (*this)[i].text();
  if (text == nullptr) fail(who_, " needs a string, not ", type_name((*this)[i]));
  return *text;
}

std::string Parameters::text(size_t i, std::string_view fallback) const {
  return given(i) ? text(i).bytes : std::string(fallback);
}

}  // namespace weft::jinja
