#include "kernels/fingerprint/fingerprint.h"

namespace weft::ref {

void fingerprint(Tensor sums, Tensor logits, Tensor positions, int64_t first, Context&) {
  const int64_t n = logits.dim(1);
  for (int64_t row = 0; row < logits.dim(0); ++row) {
    uint64_t sum = 0;
    for (int64_t i = 0; i < n; ++i)
      sum += fingerprint_mix(positions.as<int32_t>()[row], first + i, logits.as<float>()[row * n + i]);
    sums.as<int32_t>()[2 * row] = static_cast<int32_t>(sum);
    sums.as<int32_t>()[2 * row + 1] = static_cast<int32_t>(sum >> 32);
  }
}

}  // namespace weft::ref
