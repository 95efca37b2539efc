// x86-64-v4: AVX-512 F, BW, DQ, VL.
#if defined(__x86_64__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // GCC 12 warns of its own AVX-512 header
#include <immintrin.h>

#include <cstring>
#include <type_traits>
#include <utility>

#include "kernels/linear/cpu_kernels.h"
#include "kernels/linear/cpu_target.h"
#include "kernels/linear/packed_format.h"
#include "kernels/linear/packed_matrix.h"

WEFT_BEGIN_TARGET("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,bmi,bmi2,prefer-vector-width=512")
namespace weft::cpu {
namespace {

#include "kernels/linear/cpu_avx512-inl.h"

constexpr int kFmaRows = 12, kDotRows = 6;
constexpr int kCodeBytes = 2;
struct Weights {
  I even, odd;  // bytes 0 and 2, 1 and 3 of each word, as int16
};
struct Inputs {
  I even, odd;
};
inline Weights load_weights(const std::byte* p) {
  const I words = _mm512_loadu_si512(p);
  return {_mm512_and_si512(words, _mm512_set1_epi32(0x00ff00ff)), _mm512_srli_epi16(words, 8)};
}
inline Inputs set_inputs(const std::byte* p) {
  return {_mm512_set1_epi32(read_word(p)), _mm512_set1_epi32(read_word(p + 4))};
}
inline I dot(I acc, Weights w, Inputs x) {
  acc = _mm512_add_epi32(acc, _mm512_madd_epi16(w.even, x.even));
  return _mm512_add_epi32(acc, _mm512_madd_epi16(w.odd, x.odd));
}

#include "kernels/linear/cpu_kernels-inl.h"

}  // namespace

extern const Kernels kAvx512Kernels;
const Kernels kAvx512Kernels = make_kernels(Isa::avx512);

}  // namespace weft::cpu
WEFT_END_TARGET
#endif
