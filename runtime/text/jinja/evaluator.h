#pragma once
// Runs a parsed template.
#include <string>

#include "runtime/text/jinja/ast.h"

namespace weft::jinja {

// The text a template writes with these global names. Refuses a template that takes too many steps or writes
// too much.
std::string render(const Block& program, Dict globals);

}  // namespace weft::jinja
