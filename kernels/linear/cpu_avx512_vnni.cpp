// AVX-512 with VNNI, integer dot products of four bytes.
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

WEFT_BEGIN_TARGET("avx512vnni,avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,bmi,bmi2,prefer-vector-width=512")
namespace weft::cpu {
namespace {

#include "kernels/linear/cpu_avx512-inl.h"

constexpr int kFmaRows = 12, kDotRows = 6;
constexpr int kCodeBytes = 1;
using Weights = I;
using Inputs = I;
inline Weights load_weights(const std::byte* p) { return _mm512_loadu_si512(p); }
inline Inputs set_inputs(const std::byte* p) { return _mm512_set1_epi32(read_word(p)); }
inline I dot(I acc, Weights w, Inputs x) { return _mm512_dpbusd_epi32(acc, w, x); }

#include "kernels/linear/cpu_kernels-inl.h"

}  // namespace

extern const Kernels kAvx512VnniKernels;
const Kernels kAvx512VnniKernels = make_kernels(Isa::avx512_vnni);

}  // namespace weft::cpu
WEFT_END_TARGET
#endif
