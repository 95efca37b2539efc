#pragma once
#include <string>
#include <utility>
#include <vector>

namespace weft {

// What several processes must have alike. Of each: a subject as a sentence names it, which may be called otherwise in each process (a
// path), and what it is there.
using Traits = std::vector<std::pair<std::string, std::string>>;

}  // namespace weft
