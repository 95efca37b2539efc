#include "runtime/text/jinja/template.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "kernels/core/check.h"
#include "runtime/text/jinja/ast.h"
#include "runtime/text/jinja/evaluator.h"
#include "runtime/text/utf8.h"

namespace weft::jinja {
namespace {

using Json = nlohmann::ordered_json;

Value from_json(const Json& json);

Dict members(const Json& json) {
  Dict dict;
  for (const auto& [name, value] : json.items()) dict.emplace_back(name, from_json(value));
  return dict;
}

Value from_json(const Json& json) {
  switch (json.type()) {
    case Json::value_t::object: return Value::dict(members(json));
    case Json::value_t::array: {
      List list;
      for (const Json& item : json) list.push_back(from_json(item));
      return Value::list(std::move(list));
    }
    case Json::value_t::string: return {json.get_ref<const std::string&>()};
    case Json::value_t::boolean: return {json.get<bool>()};
    case Json::value_t::number_unsigned:
      if (!std::in_range<int64_t>(json.get<uint64_t>())) bad_input("the number ", json.dump(), " is too large for a template");
      [[fallthrough]];
    case Json::value_t::number_integer: return {json.get<int64_t>()};
    case Json::value_t::number_float: return {json.get<double>()};
    default: return {None{}};
  }
}

}  // namespace

struct Template::Program {
  Block statements;
};

Template::Template(std::string_view source) {
  if (const size_t bad = find_invalid_utf8(source); bad != std::string_view::npos) {
    bad_input("the chat template is not valid UTF-8: byte ", bad, " is not part of a character");
  }
  program_ = std::make_unique<const Program>(Program{parse(source)});
}

Template::~Template() = default;
Template::Template(Template&&) noexcept = default;
Template& Template::operator=(Template&&) noexcept = default;

std::string Template::render(const Json& variables) const {
  return jinja::render(program_->statements, members(variables));
}

}  // namespace weft::jinja
