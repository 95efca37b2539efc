#include "runtime/engine/fingerprint.h"

#include <cstdio>

namespace weft {

std::string fingerprint_text(uint64_t fingerprint) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(fingerprint));
  return text;
}

}  // namespace weft
