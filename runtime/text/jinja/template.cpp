#include "runtime/text/jinja/template.h"

#include <nlohmann/json.hpp>

#include "kernels/core/check.h"
#include "runtime/text/jinja/ast.h"
#include "runtime/text/jinja/evaluator.h"
#include "runtime/text/jinja/json.h"
#include "runtime/text/jinja/lexer.h"
#include "runtime/text/utf8.h"

namespace weft::jinja {

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

std::string Template::render(const nlohmann::ordered_json& variables) const {
  Rendering rendering;
  try {
    const Value names = from_json(variables);
    WEFT_CHECK(names.dict() != nullptr);
    return Evaluator(program_->statements, *names.dict()).run();
  } catch (const Failure& failure) {
    template_error(rendering.line, failure.what());
  }
}

}  // namespace weft::jinja
