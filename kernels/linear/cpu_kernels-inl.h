// The kernels of cpu_kernels.h in terms of a few vector operations. Included once per instruction set, by cpu_<isa>.cpp
// inside an unnamed namespace, so that all of it stays private to that file. The namespace has defined
//   F, I                                          vectors of kLanes floats, of as many int32
//   load store set fma mul add                    of F; load() also converts from F16
//   load_int set_int mul_int add_int to_float     of I
//   upper lower                                   F of the upper or lower half of each word of I, a bf16
//   Weights, Inputs        load_weights: kLanes words of four unsigned bytes; set_inputs: the four of one word of x, of
//                          kCodeBytes each, for all lanes; dot(acc, w, x) adds the four products of each lane
//   kFmaRows, kDotRows     rows of x in a register tile
//   add_fifth_bits(bits, codes)                   codes[t] += 16 * bit t
//   round_f16(x, n, out)
constexpr int kPanel = PackedMatrix::kPanel;

inline int64_t min_of(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t max_of(int64_t a, int64_t b) { return a > b ? a : b; }

// acc plus two bf16 products in each lane, the upper halves' first.
inline F dot_pair(F acc, I w, I x) { return fma(lower(x), lower(w), fma(upper(x), upper(w), acc)); }

#define WEFT_UNROLL _Pragma("GCC unroll 16")
#define WEFT_KEEP_LOOP _Pragma("GCC unroll 1")  // unrolled, GCC computes all products first and spills them

#include "kernels/linear/cpu_codes-inl.h"
#include "kernels/linear/cpu_tile-inl.h"
#include "kernels/linear/cpu_bf16-inl.h"
#include "kernels/linear/cpu_f32-inl.h"
#include "kernels/linear/cpu_q8-inl.h"

#undef WEFT_UNROLL
#undef WEFT_KEEP_LOOP

// To nearest even, in the upper half; NaN stays NaN.
inline uint32_t round_bf16(float x) {
  const uint32_t bits = __builtin_bit_cast(uint32_t, x);
  const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) & 0xffff0000u;
  return (bits & 0x7fffffffu) > 0x7f800000u ? (bits | 0x400000u) & 0xffff0000u : rounded;
}

void round_kernel(Arithmetic a, const float* x, int64_t n, float* out) {
  if (a == Arithmetic::f16) return round_f16(x, n, out);
  for (int64_t i = 0; i < n; ++i) out[i] = __builtin_bit_cast(float, round_bf16(x[i]));
}

void round_pairs_kernel(const float* x, bool odd, int64_t n, int32_t* out) {
  if (odd && n > 0) *out++ = static_cast<int32_t>(round_bf16(*x++) >> 16), --n;
  for (int64_t i = 0; i < n / 2; ++i)
    out[i] = static_cast<int32_t>(round_bf16(x[2 * i]) | round_bf16(x[2 * i + 1]) >> 16);
  if (n % 2) out[n / 2] = static_cast<int32_t>(round_bf16(x[n - 1]));
}

constexpr Kernels make_kernels(Isa isa) {
  return {isa,        kCodeBytes,      kDotRows,   round_kernel, round_pairs_kernel, quantise_kernel,
          fma_kernel, dot_bf16_kernel, dot_kernel, add_kernel};
}
