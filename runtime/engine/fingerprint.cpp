#include "runtime/engine/fingerprint.h"

#include <xxhash.h>

#include <cstdio>

namespace weft {

Fingerprint::Fingerprint() : state_(XXH3_createState()) { XXH3_64bits_reset(state_.get()); }
void Fingerprint::Free::operator()(XXH3_state_s* state) const { XXH3_freeState(state); }
void Fingerprint::add(std::span<const float> values) {
  XXH3_64bits_update(state_.get(), values.data(), values.size_bytes());
}
uint64_t Fingerprint::value() const { return XXH3_64bits_digest(state_.get()); }

std::string fingerprint_text(uint64_t fingerprint) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(fingerprint));
  return text;
}

}  // namespace weft
