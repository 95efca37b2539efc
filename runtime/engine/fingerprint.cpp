#include "runtime/engine/fingerprint.h"

#include <xxhash.h>

namespace weft {

Fingerprint::Fingerprint() : state_(XXH3_createState()) { XXH3_64bits_reset(state_.get()); }
void Fingerprint::Free::operator()(XXH3_state_s* state) const { XXH3_freeState(state); }
void Fingerprint::add(std::span<const float> values) {
  XXH3_64bits_update(state_.get(), values.data(), values.size_bytes());
}
uint64_t Fingerprint::value() const { return XXH3_64bits_digest(state_.get()); }

}  // namespace weft
