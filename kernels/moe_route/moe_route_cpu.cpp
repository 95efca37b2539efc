#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/moe_route/moe_route_cpu.cpp"
#include "kernels/core/simd_targets.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "kernels/core/dispatch.h"
#include "kernels/core/simd.h"
#include "kernels/moe_route/moe_route.h"

HWY_BEFORE_NAMESPACE();
namespace weft::HWY_NAMESPACE {
namespace {

// The k largest logits in order, by insertion: ids and weights get the experts and their logits.
void choose(int32_t* ids, float* weights, const float* logits, int64_t n, int64_t k) {
  int64_t filled = 0;
  for (int32_t e = 0; e < n; ++e) {
    if (filled == k && !(logits[e] > weights[k - 1])) continue;
    int64_t slot = filled < k ? filled++ : k - 1;
    for (; slot > 0 && logits[e] > weights[slot - 1]; --slot) {
      weights[slot] = weights[slot - 1];
      ids[slot] = ids[slot - 1];
    }
    weights[slot] = logits[e];
    ids[slot] = e;
  }
}

F32x16 sum_of_exp(const float* x, int64_t n, float largest) {
  F32x16 total = zero();
  for (int64_t i = 0; i < n; i += kLanes)
    total = total + keep_lanes(exp(load_n(x + i, n - i) - set(largest)), 0, n - i, zero());
  return total;
}

void route_row(int32_t* ids, float* weights, const float* logits, int64_t n, int64_t k, const RouterParams& params) {
  bool nan = false;
  for (int64_t i = 0; i < n; i += kLanes) nan |= any_nan(load_n(logits + i, n - i));
  if (nan) {
    std::iota(ids, ids + k, 0);
    std::fill_n(weights, k, std::numeric_limits<float>::quiet_NaN());
    return;
  }
  choose(ids, weights, logits, n, k);
  const float largest = weights[0];
  const bool over_all = params.score == RouterParams::Score::softmax_top_k;
  const float total = sum(over_all ? sum_of_exp(logits, n, largest) : sum_of_exp(weights, k, largest));
  for (int64_t i = 0; i < k; i += kLanes)
    store_n(exp(load_n(weights + i, k - i) - set(largest)) / set(total), weights + i, k - i);
  if (params.normalise) {
    float chosen = 0;
    for (int64_t i = 0; i < k; ++i) chosen += weights[i];
    for (int64_t i = 0; i < k; ++i) weights[i] /= chosen;
  }
}

}  // namespace
}  // namespace weft::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace weft {

HWY_EXPORT(route_row);

void cpu::moe_route(Tensor ids, Tensor weights, Tensor logits, const RouterParams& params, Context& context) {
  const int64_t n = logits.dim(1), k = ids.dim(1);
  context.pool.parallel_for(logits.dim(0), rows_per_task(4 * n), [&](int64_t begin, int64_t end, int) {
    for (int64_t t = begin; t < end; ++t)
      HWY_DYNAMIC_DISPATCH(route_row)
      (ids.as<int32_t>() + t * k, weights.as<float>() + t * k, logits.as<float>() + t * n, n, k, params);
  });
}

}  // namespace weft
#endif
