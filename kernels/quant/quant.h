#pragma once
// Conversion between f32 and every stored type: exact for plain types, GGUF's formulas for quantised ones.
#include <cstdint>

#include "kernels/core/dtype.h"

namespace weft::quant {

// out[0..n) = the values of n stored elements (whole blocks). Products are rounded once, in f32, in the order written in
// blocks.h: these are "the" weights of every correctness figure.
void dequantize(DType dtype, const void* src, float* out, int64_t n);

// Stores n values (whole blocks) as `dtype`. q8_0, q4_0, q4_1, q5_0, q5_1 as ggml's reference quantisers do, bit for
// bit; f16 and bf16 round to nearest even. q4_K, q5_K, q6_K: valid blocks chosen by least squares, not ggml's bits.
void quantize(DType dtype, const float* src, void* out, int64_t n);

// Activations of --dtype q8. A block is up to 32 values: d = max|x| / 127 (f32), q = round_half_even(x / d) computed as
// x * (1 / d). A block so small that 1 / d is not finite (all zero, or below 4e-37) has d = 0, q = 0. A value that is not
// finite makes the block's d NaN.
// Returns d. q[0..n) in [-127, 127].
float quantize_activation(const float* x, int n, int8_t* q);

}  // namespace weft::quant
