#include "kernels/core/check.h"

namespace weft {

void check_failed(const char* file, int line, const char* condition, const std::string& message) {
  throw CheckError(cat(file, ":", line, ": check failed: ", condition, message.empty() ? "" : ": ", message));
}

}  // namespace weft
