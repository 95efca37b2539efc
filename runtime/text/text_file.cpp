#include "runtime/text/text_file.h"

#include <fstream>
#include <sstream>

#include "kernels/core/check.h"

namespace weft {

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) bad_input("cannot read ", path.string(), ", or it is empty");
  return std::move(text).str();
}

}  // namespace weft
