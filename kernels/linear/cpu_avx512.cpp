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
constexpr bool kBiased = false;
inline I dot(I acc, I w, I x) {
  return _mm512_add_epi32(acc, _mm512_madd_epi16(w, x));
}

#include "kernels/linear/cpu_kernels-inl.h"

}  // namespace

extern const Kernels kAvx512Kernels;
const Kernels kAvx512Kernels = make_kernels(Isa::avx512);

}  // namespace weft::cpu
WEFT_END_TARGET
#endif
