#pragma once
// The integer codes inside GGUF blocks, one sub-block of 32 elements at a time: shared by dequantisation and
// packing.
#include <cstdint>

#include "kernels/core/dtype.h"

namespace weft::quant {

// What a code stands for is (code - zero_point) times a scale, plus a minimum where the type has one.
int zero_point(DType dtype);

// codes[i] = the unsigned code of element 32 * sub + i of one stored block (q8_0: the int8 + 128).
void read_codes(DType dtype, const void* block, int sub, uint8_t codes[32]);

// 6-bit scale and minimum of sub-block j of q4_K and q5_K.
struct ScaleMin {
  uint8_t scale, min;
};
ScaleMin read_scale_min(const uint8_t scales[12], int j);

}  // namespace weft::quant
