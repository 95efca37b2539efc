#include "launcher/version.h"

#include "version_info.h"

namespace weft {

std::string version_text() { return WEFT_VERSION; }

std::string version() {
  const std::string all = version_text();
  return all.substr(0, all.find('\n'));
}

}  // namespace weft
