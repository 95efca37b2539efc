#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/moe_permute/moe_permute_cpu.cpp"
#include "kernels/core/simd_targets.h"

#include <algorithm>

#include "kernels/core/dispatch.h"
#include "kernels/core/simd.h"
#include "kernels/moe_permute/moe_permute.h"

HWY_BEFORE_NAMESPACE();
namespace weft::HWY_NAMESPACE {
namespace {

// out[:] = sum over k slots of weights[s] * y[place[s], :]
void weighted_sum(float* out, const float* y, const int32_t* place, const float* weights, int64_t k, int64_t hidden) {
  for (int64_t d = 0; d < hidden; d += kLanes) {
    F32x16 acc = zero();
    for (int64_t s = 0; s < k; ++s)
      if (place[s] >= 0) acc = fma(set(weights[s]), load_n(y + place[s] * hidden + d, hidden - d), acc);
    store_n(acc, out + d, hidden - d);
  }
}

}  // namespace
}  // namespace weft::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace weft {

HWY_EXPORT(weighted_sum);

namespace cpu {

void moe_sort(Tensor order, Tensor place, Tensor offsets, Tensor ids, Tensor instances, Context&) {
  const int64_t n = offsets.dim(0) - 1, pairs = ids.elements(), k = ids.dim(1), experts = instances.dim(0),
                most = instances.dim(1);
  int32_t *begin = offsets.as<int32_t>(), *at = place.as<int32_t>();

  std::fill_n(begin, n + 1, 0);
  for (int64_t p = 0; p < pairs; ++p) {  // at[p]: the instance, at first
    const int32_t expert = ids.as<int32_t>()[p];
    at[p] = -1;
    if (expert < 0 || expert >= experts) continue;
    const int32_t* of = instances.as<int32_t>() + expert * most;
    const int64_t replicas = std::find(of, of + most, -1) - of;
    at[p] = of[p / k % replicas];
    ++begin[at[p] + 1];
  }
  for (int64_t i = 0; i < n; ++i) begin[i + 1] += begin[i];
  for (int64_t p = 0; p < pairs; ++p) {  // begin[i] moves to the end of i's pairs ...
    if (at[p] < 0) continue;
    at[p] = begin[at[p]]++;
    order.as<int32_t>()[at[p]] = static_cast<int32_t>(p);
  }
  std::copy_backward(begin, begin + n, begin + n + 1);  // ... which is where i + 1 begins
  begin[0] = 0;
}

void moe_permute(Tensor out, Tensor x, Tensor order, int k, Context& context) {
  context.pool.parallel_for(out.dim(0), rows_per_task(x.dim(1)), [&](int64_t begin, int64_t end, int) {
    ref::moe_permute(out.slice(begin, end), x, order.slice(begin, end), k, context);
  });
}

void moe_unpermute(Tensor out, Tensor y, Tensor place, Tensor weights, Context& context) {
  const int64_t hidden = y.dim(1), k = place.dim(1);
  context.pool.parallel_for(out.dim(0), rows_per_task(k * hidden), [&](int64_t begin, int64_t end, int) {
    for (int64_t t = begin; t < end; ++t)
      HWY_DYNAMIC_DISPATCH(weighted_sum)
      (out.as<float>() + t * hidden, y.as<float>(), place.as<int32_t>() + t * k, weights.as<float>() + t * k, k, hidden);
  });
}

}  // namespace cpu
}  // namespace weft
#endif
