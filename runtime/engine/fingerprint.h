#pragma once
// The fingerprint of a request's logits (kernels/fingerprint) as people read it.
#include <cstdint>
#include <string>

namespace weft {

// As every output writes it: 16 hexadecimal digits.
std::string fingerprint_text(uint64_t fingerprint);

}  // namespace weft
