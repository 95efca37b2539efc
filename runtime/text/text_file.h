#pragma once
#include <filesystem>
#include <string>

namespace weft {

// All of a file. Refuses one that cannot be read or is empty.
std::string read_file(const std::filesystem::path& path);

}  // namespace weft
