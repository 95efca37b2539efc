#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "kernels/core/rng.h"
#include "kernels/sample/sample.h"

namespace weft::ref {
namespace {

int32_t draw(std::vector<float> score, const SampleRow& row) {
  const auto n = std::ssize(score);
  const SamplingParams& params = row.params;
  for (const float x : score)
    if (!std::isfinite(x)) return -1;
  constexpr double range = std::numeric_limits<float>::max();
  if (params.penalises())
    for (const SeenToken& seen : row.seen) {
      const double x = score[seen.id], r = params.repetition_penalty;
      double y = std::clamp(x > 0 ? x / r : x * r, -range, range);
      if (seen.generated > 0) y -= double{params.presence_penalty} + double{params.frequency_penalty} * seen.generated;
      score[seen.id] = static_cast<float>(std::clamp(y, -range, range));
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
  double left = uniform(params.seed, static_cast<uint64_t>(row.position)) * total;
  for (int64_t i = 0; i < kept; ++i)
    if ((left -= weight(i)) < 0) return ids[i];
  return ids[kept - 1];
}

}  // namespace

void sample(Tensor ids, Tensor logits, std::span<const SampleRow> rows, const VocabSlice&, Context&) {
  const int64_t n = logits.dim(1);
  for (int64_t row = 0; row < logits.dim(0); ++row) {
    const float* begin = logits.as<float>() + row * n;
    ids.as<int32_t>()[row] = draw({begin, begin + n}, rows[row]);
  }
}

}  // namespace weft::ref
