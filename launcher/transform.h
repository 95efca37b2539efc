#pragma once
// Commands that make one model out of another. Notices for the user go to stderr.
#include <string>

#include "runtime/weights/upcycle.h"

namespace weft {

int run_convert(const std::string& model, const std::string& type, const std::string& output, Values values);
// type: empty for the model's own.
int run_upcycle(const std::string& model, UpcycleOptions options, const std::string& type, const std::string& output);

}  // namespace weft
