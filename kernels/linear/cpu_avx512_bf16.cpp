// AVX-512 with VNNI and BF16. vdpbf16ps adds its two products one after the other, the upper first, each with one rounding to
// nearest even and with subnormals as zero: the canonical sum of two columns, in one instruction. Intel's manual says so, a Zen 4
// does so, and dots_in_order() asks the CPU it runs on.
#if defined(__x86_64__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // GCC 12 warns of its own AVX-512 header
#include <immintrin.h>

#include <cstring>
#include <utility>

#include "kernels/linear/cpu_kernels.h"
#include "kernels/linear/cpu_target.h"
#include "kernels/linear/packed_matrix.h"

WEFT_BEGIN_TARGET("avx512bf16,avx512vnni,avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,bmi,bmi2,prefer-vector-width=512")
namespace weft::cpu {
namespace {

#include "kernels/linear/cpu_avx512-inl.h"

constexpr int kPanel = PackedMatrix::kPanel, kFmaRows = 12;
inline int64_t min_of(int64_t a, int64_t b) { return a < b ? a : b; }
inline F dot_pair(F acc, I w, I x) { return _mm512_dpbf16_ps(acc, (__m512bh)x, (__m512bh)w); }

#define WEFT_UNROLL _Pragma("GCC unroll 16")
#include "kernels/linear/cpu_tile-inl.h"
#include "kernels/linear/cpu_bf16-inl.h"
#undef WEFT_UNROLL

// Whether dot_pair gives the bits of two FMAs on sums that every other order or rounding would change.
bool dots_in_order() {
  uint32_t random = 1;
  const auto next = [&random] { return random = random * 1664525u + 1013904223u; };
  const FlushSubnormals flush;
  for (int round = 0; round < 64; ++round) {
    alignas(64) uint32_t acc[kLanes], x[kLanes], w[kLanes];
    for (int i = 0; i < kLanes; ++i) {  // exponents within 2^-16 .. 2^15 of each other, any sign and fraction
      const auto sixteen = [&] { return (next() >> 16 & 0x807f) | (0x3800 + (next() >> 27 << 7)); };
      acc[i] = (next() & 0x807fffff) | (0x38000000 + (next() >> 27 << 23));
      x[i] = sixteen() << 16 | sixteen();
      w[i] = sixteen() << 16 | sixteen();
    }
    const I xi = _mm512_load_si512(x), wi = _mm512_load_si512(w);
    const F start = _mm512_load_ps(acc), sum = dot_pair(start, wi, xi);
    const F expected = fma(lower(xi), lower(wi), fma(upper(xi), upper(wi), start));
    if (_mm512_cmpneq_epi32_mask(_mm512_castps_si512(sum), _mm512_castps_si512(expected)) != 0) return false;
  }
  return true;
}

}  // namespace

extern const Kernels kAvx512VnniKernels;

const Kernels* avx512_bf16_kernels() {
  static const Kernels set = [] {
    Kernels kernels = kAvx512VnniKernels;
    kernels.isa = Isa::avx512_bf16;
    kernels.dot_bf16 = dot_bf16_kernel;
    return kernels;
  }();
  static const bool in_order = dots_in_order();
  return in_order ? &set : nullptr;
}

}  // namespace weft::cpu
WEFT_END_TARGET
#endif
