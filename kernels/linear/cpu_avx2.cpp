// x86-64-v3: AVX2, FMA, F16C.
#if defined(__x86_64__)
#include <immintrin.h>

#include <cstring>
#include <type_traits>
#include <utility>

#include "kernels/linear/cpu_kernels.h"
#include "kernels/linear/cpu_target.h"
#include "kernels/linear/packed_format.h"
#include "kernels/linear/packed_matrix.h"

WEFT_BEGIN_TARGET("avx2,fma,f16c,bmi,bmi2")
namespace weft::cpu {
namespace {

constexpr int kLanes = 8, kFmaRows = 6, kDotRows = 4;
using F = __m256;
using I = __m256i;

inline F load(const float* p) { return _mm256_loadu_ps(p); }
inline F load(const F16* p) { return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))); }
inline void store(float* p, F a) { _mm256_storeu_ps(p, a); }
inline F set(float x) { return _mm256_set1_ps(x); }
inline F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
inline F mul(F a, F b) { return _mm256_mul_ps(a, b); }
inline F add(F a, F b) { return _mm256_add_ps(a, b); }
inline I load_int(const int32_t* p) { return _mm256_loadu_si256(reinterpret_cast<const I*>(p)); }
inline I set_int(int32_t x) { return _mm256_set1_epi32(x); }
inline I mul_int(I a, I b) { return _mm256_mullo_epi32(a, b); }
inline I add_int(I a, I b) { return _mm256_add_epi32(a, b); }
inline F to_float(I a) { return _mm256_cvtepi32_ps(a); }
inline F upper(I words) { return _mm256_castsi256_ps(_mm256_and_si256(words, _mm256_set1_epi32(-65536))); }
inline F lower(I words) { return _mm256_castsi256_ps(_mm256_slli_epi32(words, 16)); }

constexpr int kCodeBytes = 2;
struct Weights {
  I even, odd;  // bytes 0 and 2, 1 and 3 of each word, as int16
};
struct Inputs {
  I even, odd;
};
inline Weights load_weights(const std::byte* p) {
  const I words = _mm256_loadu_si256(reinterpret_cast<const I*>(p));
  return {_mm256_and_si256(words, _mm256_set1_epi32(0x00ff00ff)), _mm256_srli_epi16(words, 8)};
}
inline Inputs set_inputs(const std::byte* p) {
  return {_mm256_set1_epi32(read_word(p)), _mm256_set1_epi32(read_word(p + 4))};
}
inline I dot(I acc, Weights w, Inputs x) {
  acc = _mm256_add_epi32(acc, _mm256_madd_epi16(w.even, x.even));
  return _mm256_add_epi32(acc, _mm256_madd_epi16(w.odd, x.odd));
}

inline void add_fifth_bits(const uint8_t* bits, uint8_t* codes) {
  const I which_byte =
      _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3);
  const I which_bit = _mm256_set1_epi64x(static_cast<int64_t>(0x8040201008040201u));
  const I sixteen = _mm256_set1_epi8(16);
  for (int t = 0; t < 1024; t += 32) {
    int32_t mask;
    std::memcpy(&mask, bits + t / 8, sizeof mask);
    const I spread = _mm256_and_si256(_mm256_shuffle_epi8(_mm256_set1_epi32(mask), which_byte), which_bit);
    const I fifth = _mm256_and_si256(_mm256_cmpeq_epi8(spread, which_bit), sixteen);
    I* at = reinterpret_cast<I*>(codes + t);
    _mm256_storeu_si256(at, _mm256_add_epi8(_mm256_loadu_si256(at), fifth));
  }
}

inline void round_f16(const float* x, int64_t n, float* out) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    store(out + i, _mm256_cvtph_ps(_mm256_cvtps_ph(load(x + i), _MM_FROUND_TO_NEAREST_INT)));
  for (; i < n; ++i) out[i] = f16_to_f32(f32_to_f16(x[i]));
}

#include "kernels/linear/cpu_kernels-inl.h"

}  // namespace

extern const Kernels kAvx2Kernels;
const Kernels kAvx2Kernels = make_kernels(Isa::avx2);

}  // namespace weft::cpu
WEFT_END_TARGET
#endif
