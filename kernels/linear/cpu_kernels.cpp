#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/linear/cpu_kernels.cpp"
#include "kernels/core/simd_targets.h"

#include <algorithm>
#include <atomic>
#include <type_traits>
#include <utility>

#include "kernels/core/check.h"
#include "kernels/core/simd.h"
#include "kernels/linear/cpu_kernels.h"
#include "kernels/matrix/packed_format.h"
#include "kernels/matrix/packed_matrix.h"

HWY_BEFORE_NAMESPACE();
namespace weft::HWY_NAMESPACE {
namespace {

#include "kernels/linear/cpu_common-inl.h"

// acc plus two bf16 products in each lane, the upper halves' first.
HWY_INLINE F32x16 dot_pair(F32x16 acc, I32x16 w, I32x16 x) { return fma(lower(x), lower(w), fma(upper(x), upper(w), acc)); }

// Dot products of four bytes by way of int16: x is in the order 0 2 1 3, because words come apart into even and odd bytes.
constexpr int kCodeBytes = 2;
#if HWY_ARCH_X86 && HWY_TARGET != HWY_SCALAR
using PartShort = hn::Repartition<int16_t, PartInt>;
struct Weights {
  hn::Vec<PartShort> even[kParts], odd[kParts];
};
struct Inputs {
  hn::Vec<PartShort> even, odd;
};
HWY_INLINE Weights load_weights(const std::byte* p) {
  const hn::RebindToUnsigned<PartShort> u16;
  Weights w;
  WEFT_UNROLL
  for (int i = 0; i < kParts; ++i) {
    const auto pairs = hn::BitCast(u16, hn::LoadU(PartInt(), reinterpret_cast<const int32_t*>(p) + i * kPartLanes));
    w.even[i] = hn::BitCast(PartShort(), hn::And(pairs, hn::Set(u16, 0xff)));
    w.odd[i] = hn::BitCast(PartShort(), hn::ShiftRight<8>(pairs));
  }
  return w;
}
HWY_INLINE Inputs set_inputs(const std::byte* p) {
  return {hn::BitCast(PartShort(), hn::Set(PartInt(), read_word(p))),
          hn::BitCast(PartShort(), hn::Set(PartInt(), read_word(p + 4)))};
}
HWY_INLINE I32x16 dot(I32x16 acc, const Weights& w, const Inputs& x) {
  return each_int_part([&](int i) HWY_ATTR {
    auto unused = hn::Zero(PartInt());  // on x86 each lane gets its own pair's sum, all of it in the first result
    const auto even = hn::ReorderWidenMulAccumulate(PartInt(), w.even[i], x.even, acc.part[i], unused);
    return hn::ReorderWidenMulAccumulate(PartInt(), w.odd[i], x.odd, even, unused);
  });
}
#else
struct Weights {
  I32x16 byte[4];
};
struct Inputs {
  I32x16 value[4];
};
HWY_INLINE Weights load_weights(const std::byte* p) {
  const I32x16 words = load_int(reinterpret_cast<const int32_t*>(p));
  const auto byte = [&](auto shift) HWY_ATTR {
    return each_int_part([&](int i) HWY_ATTR {
      return hn::And(hn::ShiftRight<decltype(shift)::value>(words.part[i]), hn::Set(PartInt(), 255));
    });
  };
  using std::integral_constant;
  return {{byte(integral_constant<int, 0>()), byte(integral_constant<int, 8>()), byte(integral_constant<int, 16>()),
           byte(integral_constant<int, 24>())}};
}
HWY_INLINE Inputs set_inputs(const std::byte* p) {
  int16_t x[4];
  __builtin_memcpy(x, p, sizeof x);
  return {{set_int(x[0]), set_int(x[2]), set_int(x[1]), set_int(x[3])}};
}
HWY_INLINE I32x16 dot(I32x16 acc, const Weights& w, const Inputs& x) {
  for (int i = 0; i < 4; ++i) acc = acc + w.byte[i] * x.value[i];
  return acc;
}
#endif

#include "kernels/linear/cpu_tile-inl.h"

#include "kernels/linear/cpu_bf16-inl.h"

#include "kernels/linear/cpu_codes-inl.h"
#include "kernels/linear/cpu_f32-inl.h"
#include "kernels/linear/cpu_q8-inl.h"

// Through memory in the narrow type: one rounding to nearest even.
template <class Narrow>
HWY_INLINE F32x16 rounded(F32x16 v) {
  HWY_ALIGN Narrow narrow[kLanes];
  store(v, narrow);
  return load(narrow);
}

void round_kernel(Arithmetic a, const float* x, int64_t n, float* out) {
  for (int64_t i = 0; i < n; i += kLanes) {
    const F32x16 v = load_n(x + i, n - i);
    store_n(a == Arithmetic::f16 ? rounded<f16>(v) : rounded<bf16>(v), out + i, n - i);
  }
}

// A pair of columns is two neighbours with their halves the other way round.
void round_pairs_kernel(const float* x, bool odd, int64_t n, int32_t* out) {
  HWY_ALIGN uint16_t halves[kLanes];
  if (odd && n > 0) {
    store_n(load_n(x, 1), reinterpret_cast<bf16*>(halves), 1);
    *out++ = halves[0], ++x, --n;
  }
  for (int64_t i = 0; i < n; i += kLanes) {
    store(load_n(x + i, n - i), reinterpret_cast<bf16*>(halves));
    const int words = static_cast<int>(std::min<int64_t>(kLanes, n - i) + 1) / 2;
    for (int j = 0; j < words; ++j) out[i / 2 + j] = static_cast<int32_t>(uint32_t{halves[2 * j]} << 16 | halves[2 * j + 1]);
  }
}

const cpu::Kernels* kernel_set() {
  static constexpr cpu::Kernels set = {HWY_TARGET <= HWY_AVX3   ? "AVX-512"
                                       : HWY_TARGET <= HWY_AVX2 ? "AVX2"
                                                                : "baseline",
                                       kCodeBytes,
                                       kDotRows,
                                       round_kernel,
                                       round_pairs_kernel,
                                       quantise_kernel,
                                       fma_kernel,
                                       dot_bf16_kernel,
                                       dot_kernel,
                                       add_kernel};
  return &set;
}

}  // namespace
}  // namespace weft::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace weft {

HWY_EXPORT(kernel_set);

namespace cpu {
namespace {

// The best that Highway's choice allows.
const Kernels& best_kernels() {
  const Kernels& set = *HWY_DYNAMIC_DISPATCH(kernel_set)();
  const std::span<const Kernels> extended = with_dot_instructions(set);
  return extended.empty() ? set : extended.back();
}

std::atomic<const Kernels*> chosen = nullptr;

}  // namespace

const Kernels& kernels() {
  const Kernels* set = chosen.load(std::memory_order_relaxed);
  return set ? *set : best_kernels();
}

std::vector<const Kernels*> supported_kernels() {
  std::vector<const Kernels*> sets;
  for (const int64_t target : std::initializer_list<int64_t>{0, HWY_AVX2, HWY_AVX3}) {  // 0: the baseline
    if ((hwy::SupportedTargets() & target) != target) continue;
    hwy::GetChosenTarget().Update(target);
    const Kernels& set = *HWY_DYNAMIC_DISPATCH(kernel_set)();
    sets.push_back(&set);
    for (const Kernels& extended : with_dot_instructions(set)) sets.push_back(&extended);
  }
  hwy::GetChosenTarget().DeInit();
  std::reverse(sets.begin(), sets.end());
  return sets;
}

void use_kernels(const Kernels* set) { chosen.store(set); }

}  // namespace cpu
}  // namespace weft
#endif
