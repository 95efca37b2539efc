// Dot products that AVX-512 CPUs have and Highway 1.0 has not: VNNI (four bytes) and BF16 (two bf16). Intrinsics behind CPUID.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/linear/cpu_avx512_dots.cpp"
#include "kernels/core/simd_targets.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "kernels/core/simd.h"
#include "kernels/linear/cpu_kernels.h"
#include "kernels/linear/cpu_target.h"
#include "kernels/matrix/packed_format.h"
#include "kernels/matrix/packed_matrix.h"

HWY_BEFORE_NAMESPACE();
namespace weft::HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_AVX3

#include "kernels/linear/cpu_common-inl.h"

WEFT_BEGIN_TARGET("avx512vnni")
namespace vnni {

constexpr int kCodeBytes = 1;
using Weights = __m512i;
using Inputs = __m512i;
inline Weights load_weights(const std::byte* p) { return _mm512_loadu_si512(p); }
inline Inputs set_inputs(const std::byte* p) { return _mm512_set1_epi32(read_word(p)); }
inline I32x16 dot(I32x16 acc, Weights w, Inputs x) { return {{{_mm512_dpbusd_epi32(acc.part[0].raw, w, x)}}}; }

#include "kernels/linear/cpu_codes-inl.h"
#include "kernels/linear/cpu_q8-inl.h"

}  // namespace vnni
WEFT_END_TARGET

// vdpbf16ps adds its two products one after the other, the upper first, each with one rounding to nearest even and with
// subnormals as zero: the canonical sum of two columns, in one instruction. Intel's manual says so, a Zen 4 does so, and
// in_order() asks the CPU it runs on.
WEFT_BEGIN_TARGET("avx512bf16")
namespace bf16_pairs {

inline F32x16 dot_pair(F32x16 acc, I32x16 w, I32x16 x) {
  return {{{_mm512_dpbf16_ps(acc.part[0].raw, (__m512bh)x.part[0].raw, (__m512bh)w.part[0].raw)}}};
}

#include "kernels/linear/cpu_tile-inl.h"

#include "kernels/linear/cpu_bf16-inl.h"

// Whether dot_pair gives the bits of two FMAs on sums that another order or rounding would change.
bool in_order() {
  uint32_t random = 1;
  const auto next = [&random] { return random = random * 1664525u + 1013904223u; };
  const FlushSubnormals flush;
  for (int round = 0; round < 64; ++round) {
    int32_t acc[kLanes], x[kLanes], w[kLanes], sum[kLanes], expected[kLanes];
    const auto number = [&] { return (next() & 0x807fffff) | (0x38000000 + (next() >> 27 << 23)); };  // 2^-15 to 2^16
    for (int i = 0; i < kLanes; ++i) {
      acc[i] = static_cast<int32_t>(number());
      x[i] = static_cast<int32_t>((number() & 0xffff0000) | number() >> 16);
      w[i] = static_cast<int32_t>((number() & 0xffff0000) | number() >> 16);
    }
    const I32x16 xi = load_int(x), wi = load_int(w);
    const F32x16 start = load(reinterpret_cast<const float*>(acc));
    store(dot_pair(start, wi, xi), reinterpret_cast<float*>(sum));
    store(fma(lower(xi), lower(wi), fma(upper(xi), upper(wi), start)), reinterpret_cast<float*>(expected));
    if (!std::equal(sum, sum + kLanes, expected)) return false;
  }
  return true;
}

}  // namespace bf16_pairs
WEFT_END_TARGET

std::vector<cpu::Kernels> supported_dots(cpu::Kernels set) {
  std::vector<cpu::Kernels> sets;
  if (!__builtin_cpu_supports("avx512vnni")) return sets;
  set.name = "AVX-512 VNNI";
  set.q_bytes = vnni::kCodeBytes;
  set.quantise = vnni::quantise_kernel;
  set.dot = vnni::dot_kernel;
  sets.push_back(set);
  if (!__builtin_cpu_supports("avx512bf16") || !bf16_pairs::in_order()) return sets;
  set.name = "AVX-512 VNNI BF16";
  set.dot_bf16 = bf16_pairs::dot_bf16_kernel;
  sets.push_back(set);
  return sets;
}

std::span<const cpu::Kernels> with_dots(const cpu::Kernels& set) {
  static const std::vector<cpu::Kernels> sets = supported_dots(set);
  return sets;
}

#else

std::span<const cpu::Kernels> with_dots(const cpu::Kernels&) { return {}; }

#endif

}  // namespace
}  // namespace weft::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace weft {

HWY_EXPORT(with_dots);

std::span<const cpu::Kernels> cpu::with_dot_instructions(const Kernels& set) { return HWY_DYNAMIC_DISPATCH(with_dots)(set); }

}  // namespace weft
#endif
