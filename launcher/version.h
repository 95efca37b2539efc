#pragma once
#include <string>

namespace weft {

// "weft 0.1.0 (REVISION), Release build": what --version says first.
std::string version();
std::string version_text();  // all that it says

}  // namespace weft
