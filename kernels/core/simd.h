// A virtual vector of 16 f32 lanes, the same on every instruction set: one AVX-512 register, two of AVX2, plain floats
// on the baseline.
// Kernels written with it are compiled once for each instruction set (see simd_targets.h) and give the same bits on all:
//   - every operation is one IEEE rounding; fma is fused everywhere (by software where the baseline lacks it);
//   - sum() adds the 16 lanes in one fixed binary tree; nothing else mixes lanes, except max(), which rounds nothing;
//   - exp() is our own polynomial of those operations.
// No include guard of the usual kind: Highway includes this file once for each instruction set.
#if defined(WEFT_KERNELS_CORE_SIMD_H) == defined(HWY_TARGET_TOGGLE)
#ifdef WEFT_KERNELS_CORE_SIMD_H
#undef WEFT_KERNELS_CORE_SIMD_H
#else
#define WEFT_KERNELS_CORE_SIMD_H
#endif

#include <cmath>
#include <cstdint>
#include <cstring>

#include "hwy/highway.h"
#include "kernels/core/dtype.h"

HWY_BEFORE_NAMESPACE();
namespace weft::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using f16 = hwy::float16_t;
using bf16 = hwy::bfloat16_t;

constexpr int kLanes = 16;
using Part = hn::CappedTag<float, kLanes>;  // what the machine has
constexpr int kPartLanes = static_cast<int>(hn::MaxLanes(Part()));
constexpr int kParts = kLanes / kPartLanes;

struct F32x16 {
  hn::Vec<Part> part[kParts];
};

// Builds a vector from fn(i), its i-th part.
template <class Fn>
HWY_INLINE F32x16 each_part(Fn fn) {
  F32x16 out;
#pragma GCC unroll 16
  for (int i = 0; i < kParts; ++i) out.part[i] = fn(i);
  return out;
}

HWY_INLINE F32x16 set(float x) {
  return each_part([&](int) HWY_ATTR { return hn::Set(Part(), x); });
}
HWY_INLINE F32x16 zero() { return set(0.0f); }

// Loads need no alignment. f16 and bf16 are widened exactly.
HWY_INLINE F32x16 load(const float* p) {
  return each_part([&](int i) HWY_ATTR { return hn::LoadU(Part(), p + i * kPartLanes); });
}
HWY_INLINE F32x16 load(const bf16* p) {
  const hn::Rebind<bf16, Part> narrow;
  return each_part([&](int i) HWY_ATTR { return hn::PromoteTo(Part(), hn::LoadU(narrow, p + i * kPartLanes)); });
}
HWY_INLINE F32x16 load(const f16* p) {
#if !HWY_NATIVE_FMA
  HWY_ALIGN float wide[kLanes];
  for (int i = 0; i < kLanes; ++i) wide[i] = f16_to_f32(p[i].bits);
  return load(wide);
#else
  const hn::Rebind<f16, Part> narrow;
  return each_part([&](int i) HWY_ATTR { return hn::PromoteTo(Part(), hn::LoadU(narrow, p + i * kPartLanes)); });
#endif
}

// Stores round to the nearest even.
HWY_INLINE void store(F32x16 v, float* p) {
#pragma GCC unroll 16
  for (int i = 0; i < kParts; ++i) hn::StoreU(v.part[i], Part(), p + i * kPartLanes);
}
HWY_INLINE void store(F32x16 v, bf16* p) {
  const hn::RebindToUnsigned<Part> du;
  const hn::Rebind<uint16_t, Part> narrow;
#pragma GCC unroll 16
  for (int i = 0; i < kParts; ++i) {
    const auto bits = hn::BitCast(du, v.part[i]), high = hn::ShiftRight<16>(bits);
    const auto to_even = hn::Add(hn::Set(du, 0x7fff), hn::And(high, hn::Set(du, 1)));
    const auto rounded = hn::ShiftRight<16>(hn::Add(bits, to_even));
    const auto nan = hn::RebindMask(du, hn::IsNaN(v.part[i]));
    const auto result = hn::IfThenElse(nan, hn::Or(high, hn::Set(du, 0x40)), rounded);
    hn::StoreU(hn::TruncateTo(narrow, result), narrow, reinterpret_cast<uint16_t*>(p) + i * kPartLanes);
  }
}
HWY_INLINE void store(F32x16 v, f16* p) {
#if !HWY_NATIVE_FMA
  HWY_ALIGN float wide[kLanes];
  store(v, wide);
  for (int i = 0; i < kLanes; ++i) p[i].bits = f32_to_f16(wide[i]);
#else
  const Part d;
  const hn::Rebind<f16, Part> narrow;
  const auto nan = hn::BitCast(d, hn::Set(hn::RebindToUnsigned<Part>(), 0x7fc00000));  // one NaN, not the machine's
  for (int i = 0; i < kParts; ++i) {
    const auto x = hn::IfThenElse(hn::IsNaN(v.part[i]), hn::CopySign(nan, v.part[i]), v.part[i]);
    hn::StoreU(hn::DemoteTo(narrow, x), narrow, p + i * kPartLanes);
  }
#endif
}

// The first n <= 16 lanes; the others are zero, or left alone in memory.
template <class T>
HWY_INLINE F32x16 load_n(const T* p, int64_t n) {
  if (n >= kLanes) return load(p);
  HWY_ALIGN T padded[kLanes];
  std::memset(padded, 0, sizeof padded);
  std::memcpy(padded, p, static_cast<size_t>(n) * sizeof(T));
  return load(padded);
}
template <class T>
HWY_INLINE void store_n(F32x16 v, T* p, int64_t n) {
  if (n >= kLanes) return store(v, p);
  HWY_ALIGN T padded[kLanes];
  store(v, padded);
  std::memcpy(p, padded, static_cast<size_t>(n) * sizeof(T));
}

HWY_INLINE F32x16 operator+(F32x16 a, F32x16 b) {
  return each_part([&](int i) HWY_ATTR { return hn::Add(a.part[i], b.part[i]); });
}
HWY_INLINE F32x16 operator-(F32x16 a, F32x16 b) {
  return each_part([&](int i) HWY_ATTR { return hn::Sub(a.part[i], b.part[i]); });
}
HWY_INLINE F32x16 operator*(F32x16 a, F32x16 b) {
  return each_part([&](int i) HWY_ATTR { return hn::Mul(a.part[i], b.part[i]); });
}
HWY_INLINE F32x16 operator/(F32x16 a, F32x16 b) {
  return each_part([&](int i) HWY_ATTR { return hn::Div(a.part[i], b.part[i]); });
}
HWY_INLINE F32x16 operator-(F32x16 a) {
  return each_part([&](int i) HWY_ATTR { return hn::Neg(a.part[i]); });
}
HWY_INLINE F32x16 max(F32x16 a, F32x16 b) {
  return each_part([&](int i) HWY_ATTR { return hn::Max(a.part[i], b.part[i]); });
}
HWY_INLINE F32x16 min(F32x16 a, F32x16 b) {
  return each_part([&](int i) HWY_ATTR { return hn::Min(a.part[i], b.part[i]); });
}

// a * b + c with one rounding.
HWY_INLINE F32x16 fma(F32x16 a, F32x16 b, F32x16 c) {
#if !HWY_NATIVE_FMA
  HWY_ALIGN float x[kLanes], y[kLanes], z[kLanes];
  store(a, x), store(b, y), store(c, z);
  for (int i = 0; i < kLanes; ++i) z[i] = std::fma(x[i], y[i], z[i]);
  return load(z);
#else
  return each_part([&](int i) HWY_ATTR { return hn::MulAdd(a.part[i], b.part[i], c.part[i]); });
#endif
}

// v where begin <= lane < end, else `other`.
HWY_INLINE F32x16 keep_lanes(F32x16 v, int64_t begin, int64_t end, F32x16 other) {
  const Part d;
  const auto first = hn::Set(d, static_cast<float>(begin < 0 ? 0 : begin));
  const auto past = hn::Set(d, static_cast<float>(end > kLanes ? kLanes : end));
  return each_part([&](int i) HWY_ATTR {
    const auto lane = hn::Iota(d, static_cast<float>(i * kPartLanes));
    return hn::IfThenElse(hn::And(hn::Ge(lane, first), hn::Lt(lane, past)), v.part[i], other.part[i]);
  });
}

// ((l0 + l8) + (l4 + l12)) + ... : lane i is added to lane i + 8, then 4, 2, 1.
HWY_INLINE float sum(F32x16 v) {
  HWY_ALIGN float lane[kLanes];
  store(v, lane);
  for (int half = kLanes / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) lane[i] += lane[i + half];
  return lane[0];
}

HWY_INLINE float max(F32x16 v) {
  auto largest = v.part[0];
  for (int i = 1; i < kParts; ++i) largest = hn::Max(largest, v.part[i]);
  return hn::GetLane(hn::MaxOfLanes(Part(), largest));
}

HWY_INLINE bool any_nan(F32x16 v) {
  bool found = false;
  for (int i = 0; i < kParts; ++i) found |= !hn::AllTrue(Part(), hn::Eq(v.part[i], v.part[i]));
  return found;
}

// e^x within 1.1 ulp, results below the smallest normal included; e^-inf = 0, e^inf = inf, NaN stays NaN.
// Method (Cody & Waite): x = n ln 2 + r, |r| <= ln 2 / 2; e^r = 1 + r + r^2 q(r) with q fitted on Chebyshev nodes
// (relative error 8e-9); 2^n is applied in two factors so that neither overflows before the result does.
HWY_INLINE F32x16 exp(F32x16 x) {
  const Part d;
  const hn::RebindToSigned<Part> di;
  const F32x16 clamped = min(max(x, set(-104.0f)), set(89.0f));  // e^-104 rounds to 0, e^89 to inf
  const F32x16 magic = set(0x1.8p23f);                           // adding it rounds to an integer in the low bits
  const F32x16 shifted = fma(clamped, set(0x1.715476p0f), magic);
  const F32x16 n = shifted - magic;
  const F32x16 r = fma(n, set(0x1.05c610p-29f), fma(n, set(-0x1.62e430p-1f), clamped));
  F32x16 q = fma(r, set(0x1.6d117cp-10f), set(0x1.120be2p-7f));
  q = fma(q, r, set(0x1.555518p-5f));
  q = fma(q, r, set(0x1.5554dcp-3f));
  q = fma(q, r, set(0.5f));
  const F32x16 p = fma(q, r * r, r) + set(1.0f);
  return each_part([&](int i) HWY_ATTR {
    const auto exponent = hn::Sub(hn::BitCast(di, shifted.part[i]), hn::BitCast(di, magic.part[i]));
    const auto half = hn::ShiftRight<1>(exponent);
    const auto bias = hn::Set(di, 127);
    const auto scale_a = hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(half, bias)));
    const auto scale_b = hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(hn::Sub(exponent, half), bias)));
    const auto y = hn::Mul(hn::Mul(p.part[i], scale_a), scale_b);
    return hn::IfThenElse(hn::IsNaN(x.part[i]), x.part[i], y);
  });
}

// tanh(x) = 1 - 2 / (e^2x + 1); absolute error below 2e-7, which suits soft caps.
HWY_INLINE F32x16 tanh(F32x16 x) {
  return set(1.0f) - set(2.0f) / (exp(x + x) + set(1.0f));
}

}  // namespace weft::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
