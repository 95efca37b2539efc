#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/rope/rope_cpu.cpp"
#include "kernels/core/simd_targets.h"

#include "kernels/core/dispatch.h"
#include "kernels/core/simd.h"
#include "kernels/rope/rope.h"

HWY_BEFORE_NAMESPACE();
namespace weft::HWY_NAMESPACE {
namespace {

void rotate_half(float* head, const float* cos, const float* sin, int64_t pairs) {
  for (int64_t i = 0; i < pairs; i += kLanes) {
    const int64_t n = pairs - i;
    const F32x16 a = load_n(head + i, n), b = load_n(head + pairs + i, n);
    const F32x16 c = load_n(cos + i, n), s = load_n(sin + i, n);
    store_n(fma(a, c, -(b * s)), head + i, n);
    store_n(fma(b, c, a * s), head + pairs + i, n);
  }
}

// The same arithmetic, pair by pair: std::fma is one instruction except on the baseline.
void rotate_interleaved(float* head, const float* cos, const float* sin, int64_t pairs) {
  for (int64_t i = 0; i < pairs; ++i) {
    const float a = head[2 * i], b = head[2 * i + 1];
    head[2 * i] = std::fma(a, cos[i], -(b * sin[i]));
    head[2 * i + 1] = std::fma(b, cos[i], a * sin[i]);
  }
}

// Rotates the heads of one token.
void rope_row(float* x, const float* cos, const float* sin, int64_t heads, int64_t head_dim, int64_t pairs, RopePairs pairing) {
  const auto rotate = pairing == RopePairs::half ? rotate_half : rotate_interleaved;
  for (int64_t h = 0; h < heads; ++h) rotate(x + h * head_dim, cos, sin, pairs);
}

}  // namespace
}  // namespace weft::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace weft {

HWY_EXPORT(rope_row);

namespace cpu {

void rope_table(Tensor cos_sin, Tensor positions, Tensor inv_freq, float attention_factor, Context& context) {
  const int64_t pairs = inv_freq.dim(0);
  context.pool.parallel_for(positions.dim(0), rows_per_task(64 * pairs), [&](int64_t begin, int64_t end, int) {
    ref::rope_table(cos_sin.slice(begin, end), positions.slice(begin, end), inv_freq, attention_factor, context);
  });
}

void rope(Tensor x, Tensor cos_sin, RopePairs pairing, Context& context) {
  const int64_t heads = x.dim(1), head_dim = x.dim(2), pairs = cos_sin.dim(2);
  context.pool.parallel_for(x.dim(0), rows_per_task(heads * head_dim), [&](int64_t begin, int64_t end, int) {
    for (int64_t t = begin; t < end; ++t) {
      const float* cos = cos_sin.as<float>() + t * 2 * pairs;
      HWY_DYNAMIC_DISPATCH(rope_row)(x.as<float>() + t * x.stride[0], cos, cos + pairs, heads, head_dim, pairs, pairing);
    }
  });
}

}  // namespace cpu
}  // namespace weft
#endif
