#pragma once
#include <filesystem>

namespace weft {

// The source tree the tests were built from: committed goldens are read there.
std::filesystem::path source_dir();

}  // namespace weft
