#include <algorithm>
#include <atomic>
#include <cstring>

#include "kernels/core/dispatch.h"
#include "kernels/fingerprint/fingerprint.h"

namespace weft::cpu {
namespace {

uint64_t sum_of(const float* x, int64_t n, uint64_t place) {
  uint64_t sum = 0;
  for (int64_t i = 0; i < n; ++i, place += kFingerprintStep) sum += fingerprint_mix(place, x[i]);
  return sum;
}

}  // namespace

void fingerprint(Tensor sums, Tensor logits, Tensor positions, int64_t first, Context& context) {
  constexpr int64_t kPiece = 8192;
  const int64_t n = logits.dim(1), pieces = (n + kPiece - 1) / kPiece;
  const float* x = logits.as<float>();
  auto* sum = reinterpret_cast<uint64_t*>(sums.data);
  std::memset(sums.data, 0, static_cast<size_t>(sums.bytes()));
  context.pool.parallel_for(logits.dim(0) * pieces, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t piece = begin; piece < end; ++piece) {
      const int64_t row = piece / pieces, from = piece % pieces * kPiece;
      const uint64_t place = static_cast<uint64_t>(positions.as<int32_t>()[row]) << 32 | static_cast<uint64_t>(first + from);
      const uint64_t part = sum_of(x + row * n + from, std::min(kPiece, n - from), place * kFingerprintStep);
      std::atomic_ref(sum[row]).fetch_add(part, std::memory_order_relaxed);
    }
  });
}

}  // namespace weft::cpu
