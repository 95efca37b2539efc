#pragma once
// Quantisers of the K types: scales by least squares, 256 values a block.
#include "kernels/quant/blocks.h"

namespace weft::quant {

void quantize_q4_K(const float* x, BlockQ4_K& out);
void quantize_q5_K(const float* x, BlockQ5_K& out);
void quantize_q6_K(const float* x, BlockQ6_K& out);

}  // namespace weft::quant
