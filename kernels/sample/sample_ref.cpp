#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "kernels/core/rng.h"
#include "kernels/sample/sample.h"

namespace weft::ref {

int32_t sample(Tensor logits, const SamplingParams& params, std::span<const int32_t> seen, int64_t position, Context&) {
  const int64_t n = logits.dim(0);
  const float* raw = logits.as<float>();
  for (int64_t i = 0; i < n; ++i)
    if (!std::isfinite(raw[i])) return -1;
  std::vector<float> score(raw, raw + n);
  constexpr double range = std::numeric_limits<float>::max();
  for (int32_t id : seen) {
    const double x = raw[id], r = params.repetition_penalty;
    score[id] = static_cast<float>(std::clamp(x > 0 ? x / r : x * r, -range, range));
  }

  std::vector<int32_t> ids(n);
  std::iota(ids.begin(), ids.end(), 0);
  std::stable_sort(ids.begin(), ids.end(), [&](int32_t a, int32_t b) { return score[a] > score[b]; });
  if (params.temperature == 0) return ids[0];

  const auto weight = [&](int64_t i) {  // of the i-th largest
    return std::exp((double{score[ids[i]]} - double{score[ids[0]]}) / params.temperature);
  };
  int64_t kept = params.top_k > 0 ? std::min<int64_t>(params.top_k, n) : n;
  double total = 0, before = 0;
  for (int64_t i = 0; i < kept; ++i) total += weight(i);
  if (params.top_p < 1) {
    int64_t i = 0;
    for (; i < kept && before < double{params.top_p} * total; ++i) before += weight(i);
    kept = i;
  }
  while (weight(kept - 1) < params.min_p) --kept;

  total = 0;
  for (int64_t i = 0; i < kept; ++i) total += weight(i);
  double left = uniform(params.seed, static_cast<uint64_t>(position)) * total;
  for (int64_t i = 0; i < kept; ++i)
    if ((left -= weight(i)) < 0) return ids[i];
  return ids[kept - 1];
}

}  // namespace weft::ref
