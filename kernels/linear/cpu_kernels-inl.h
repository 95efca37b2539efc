// The kernels of cpu_kernels.h in terms of a few vector operations. Included once per instruction set, by
// cpu_<isa>.cpp inside an unnamed namespace that has defined
//   F, I                    vectors of kLanes floats, of as many int32
//   load store set fma mul add       of F; load() also converts from F16 and BF16
//   load_int set_int mul_int add_int to_float    of I
//   Weights, Inputs         load_weights: kLanes words of four unsigned bytes; set_inputs: the four of a word
//   of x, of
//                           kCodeBytes each, for all lanes; dot(acc, w, x) adds the four products of each
//                           lane
//   kBiased                 dot(acc, w, x) multiplies four unsigned by four signed bytes in each lane; else
//   two int16 kFmaRows, kDotRows      rows of x in a register tile add_fifth_bits(bits, codes)      codes[t]
//   += 16 * bit t round_f16(x, n, out)
// so that all of it stays private to that file.
constexpr int kPanel = PackedMatrix::kPanel;

inline int64_t min_of(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t max_of(int64_t a, int64_t b) { return a > b ? a : b; }

#define WEFT_UNROLL _Pragma("GCC unroll 16")
#define WEFT_KEEP_LOOP _Pragma("GCC unroll 1")  // unrolled, GCC computes all products first and spills them

#include "kernels/linear/cpu_codes-inl.h"
#include "kernels/linear/cpu_f32-inl.h"
#include "kernels/linear/cpu_q8-inl.h"

#undef WEFT_UNROLL
#undef WEFT_KEEP_LOOP

void round_kernel(Arithmetic a, const float* x, int64_t n, float* out) {
  if (a == Arithmetic::f16) return round_f16(x, n, out);
  for (int64_t i = 0; i < n; ++i) {  // bf16: to nearest even; NaN stays NaN
    const uint32_t bits = __builtin_bit_cast(uint32_t, x[i]);
    const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) & 0xffff0000u;
    const bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
    out[i] = __builtin_bit_cast(float, nan ? bits : rounded);
  }
}

constexpr Kernels make_kernels(Isa isa) {
  return {isa, kCodeBytes, kDotRows, round_kernel, quantise_kernel, fma_kernel, dot_kernel, add_kernel};
}
