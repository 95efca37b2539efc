#include "kernels/quant/codes.h"

#include "kernels/core/check.h"
#include "kernels/quant/blocks.h"

namespace weft::quant {
namespace {

uint32_t load_u32(const uint8_t* p) { return p[0] | p[1] << 8 | p[2] << 16 | uint32_t{p[3]} << 24; }

// The layout of q4_0, q4_1, q5_0, q5_1: 16 bytes, elements 0..15 in the low nibbles; fifth bits in `high`.
void read_nibbles(const uint8_t qs[16], uint32_t high, uint8_t codes[32]) {
  for (int i = 0; i < 16; ++i) {
    codes[i] = static_cast<uint8_t>((qs[i] & 15) | ((high >> i) & 1) << 4);
    codes[i + 16] = static_cast<uint8_t>((qs[i] >> 4) | ((high >> (i + 16)) & 1) << 4);
  }
}

// q4_K and q5_K: sub-blocks 2 c and 2 c + 1 share 32 bytes.
void read_k_nibbles(const uint8_t qs[128], int sub, uint8_t codes[32]) {
  const uint8_t* q = qs + sub / 2 * 32;
  for (int i = 0; i < 32; ++i) codes[i] = sub % 2 ? q[i] >> 4 : q[i] & 15;
}

// q6_K: halves of 128 elements; sub-block s of a half takes nibble s / 2 of ql[32 (s % 2) + i], bits 2 s of
// qh[i].
void read_q6(const BlockQ6_K& b, int sub, uint8_t codes[32]) {
  const int half = sub / 4, s = sub % 4;
  const uint8_t* ql = b.ql + 64 * half + 32 * (s % 2);
  const uint8_t* qh = b.qh + 32 * half;
  for (int i = 0; i < 32; ++i)
    codes[i] = static_cast<uint8_t>((s / 2 ? ql[i] >> 4 : ql[i] & 15) | ((qh[i] >> (2 * s)) & 3) << 4);
}

}  // namespace

int zero_point(DType dtype) {
  switch (dtype) {
    case DType::q8_0: return 128;
    case DType::q4_0: return 8;
    case DType::q5_0: return 16;
    case DType::q6_K: return 32;
    default: return 0;
  }
}

void read_codes(DType dtype, const void* block, int sub, uint8_t codes[32]) {
  switch (dtype) {
    case DType::q8_0:
      for (int i = 0; i < 32; ++i) codes[i] = static_cast<uint8_t>(static_cast<const BlockQ8_0*>(block)->qs[i] + 128);
      return;
    case DType::q4_0: return read_nibbles(static_cast<const BlockQ4_0*>(block)->qs, 0, codes);
    case DType::q4_1: return read_nibbles(static_cast<const BlockQ4_1*>(block)->qs, 0, codes);
    case DType::q5_0: {
      const auto& b = *static_cast<const BlockQ5_0*>(block);
      return read_nibbles(b.qs, load_u32(b.qh), codes);
    }
    case DType::q5_1: {
      const auto& b = *static_cast<const BlockQ5_1*>(block);
      return read_nibbles(b.qs, load_u32(b.qh), codes);
    }
    case DType::q4_K: return read_k_nibbles(static_cast<const BlockQ4_K*>(block)->qs, sub, codes);
    case DType::q5_K: {
      const auto& b = *static_cast<const BlockQ5_K*>(block);
      read_k_nibbles(b.qs, sub, codes);
      for (int i = 0; i < 32; ++i) codes[i] |= static_cast<uint8_t>(((b.qh[i] >> sub) & 1) << 4);
      return;
    }
    case DType::q6_K: return read_q6(*static_cast<const BlockQ6_K*>(block), sub, codes);
    default: WEFT_CHECK(false, name(dtype), " is not quantised");
  }
}

ScaleMin read_scale_min(const uint8_t s[12], int j) {
  if (j < 4) return {static_cast<uint8_t>(s[j] & 63), static_cast<uint8_t>(s[j + 4] & 63)};
  return {static_cast<uint8_t>((s[j + 4] & 15) | (s[j - 4] >> 6) << 4),
          static_cast<uint8_t>((s[j + 4] >> 4) | (s[j] >> 6) << 4)};
}

}  // namespace weft::quant
