#pragma once
// GGUF's quantised blocks, little-endian, as ggml lays them out (gguf specification; ggml-common.h describes the same).
// x̂ is the value a block stands for; element indices within a block are i.
#include <cstdint>

namespace weft::quant {

using f16 = uint16_t;  // bits; f16_to_f32() reads them

struct BlockQ8_0 {  // x̂[i] = d * qs[i]
  f16 d;
  int8_t qs[32];
};
struct BlockQ4_0 {  // x̂ = d * (q - 8); qs[j] holds element j in its low and element j + 16 in its high nibble
  f16 d;
  uint8_t qs[16];
};
struct BlockQ4_1 {  // x̂ = d * q + m
  f16 d, m;
  uint8_t qs[16];
};
struct BlockQ5_0 {  // x̂ = d * (q - 16); bit i of qh is the fifth bit of element i
  f16 d;
  uint8_t qh[4];
  uint8_t qs[16];
};
struct BlockQ5_1 {  // x̂ = d * q + m
  f16 d, m;
  uint8_t qh[4];
  uint8_t qs[16];
};
// Super-blocks of 256: eight sub-blocks of 32 with 6-bit scale s and minimum m, packed in 12 bytes.
struct BlockQ4_K {  // x̂ = d * s * q - dmin * m; 64 elements share 32 bytes: low nibbles first, then high
  f16 d, dmin;
  uint8_t scales[12];
  uint8_t qs[128];
};
struct BlockQ5_K {  // as q4_K with a fifth bit: sub-block j uses bit j of qh[i % 32]
  f16 d, dmin;
  uint8_t scales[12];
  uint8_t qh[32];
  uint8_t qs[128];
};
struct BlockQ6_K {  // x̂ = d * scales[i / 16] * (q - 32); ql low nibbles, qh two upper bits
  uint8_t ql[128];
  uint8_t qh[64];
  int8_t scales[16];
  f16 d;
};

static_assert(sizeof(BlockQ8_0) == 34 && sizeof(BlockQ4_0) == 18 && sizeof(BlockQ4_1) == 20 && sizeof(BlockQ5_0) == 22 &&
              sizeof(BlockQ5_1) == 24 && sizeof(BlockQ4_K) == 144 && sizeof(BlockQ5_K) == 176 && sizeof(BlockQ6_K) == 210);

}  // namespace weft::quant
