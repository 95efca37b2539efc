#include "kernels/quant/quant.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/core/check.h"
#include "kernels/quant/blocks.h"
#include "kernels/quant/codes.h"
#include "kernels/quant/quantize_k.h"

namespace weft::quant {
namespace {

// Scale and minimum of sub-block `sub` (q6_K: of its half), each product rounded once.
struct Affine {
  float d, m;
};
Affine affine(DType dtype, const void* block, int sub, int half) {
  switch (dtype) {
    case DType::q8_0: return {f16_to_f32(static_cast<const BlockQ8_0*>(block)->d), 0};
    case DType::q4_0: return {f16_to_f32(static_cast<const BlockQ4_0*>(block)->d), 0};
    case DType::q5_0: return {f16_to_f32(static_cast<const BlockQ5_0*>(block)->d), 0};
    case DType::q4_1: {
      const auto& b = *static_cast<const BlockQ4_1*>(block);
      return {f16_to_f32(b.d), f16_to_f32(b.m)};
    }
    case DType::q5_1: {
      const auto& b = *static_cast<const BlockQ5_1*>(block);
      return {f16_to_f32(b.d), f16_to_f32(b.m)};
    }
    case DType::q4_K:
    case DType::q5_K: {  // both start with d, dmin, scales
      const auto& b = *static_cast<const BlockQ4_K*>(block);
      const ScaleMin s = read_scale_min(b.scales, sub);
      return {f16_to_f32(b.d) * s.scale, -(f16_to_f32(b.dmin) * s.min)};
    }
    default: {
      const auto& b = *static_cast<const BlockQ6_K*>(block);
      return {f16_to_f32(b.d) * b.scales[2 * sub + half], 0};
    }
  }
}

bool has_min(DType dtype) {
  return dtype == DType::q4_1 || dtype == DType::q5_1 || dtype == DType::q4_K || dtype == DType::q5_K;
}

void dequantize_block(DType dtype, const void* block, float* out) {
  const int zero = zero_point(dtype);
  for (int sub = 0; sub < dtype_info(dtype).block_elements / 32; ++sub) {
    uint8_t codes[32];
    read_codes(dtype, block, sub, codes);
    for (int half = 0; half < 2; ++half) {
      const Affine a = affine(dtype, block, sub, half);
      float* o = out + 32 * sub + 16 * half;
      for (int i = 0; i < 16; ++i) o[i] = a.d * static_cast<float>(codes[16 * half + i] - zero);
      if (has_min(dtype))
        for (int i = 0; i < 16; ++i) o[i] += a.m;
    }
  }
}

float reciprocal(float d) { return d != 0 ? 1 / d : 0; }

void quantize_q8_0(const float* x, BlockQ8_0& b) {
  float largest = 0;
  for (int i = 0; i < 32; ++i) largest = std::max(largest, std::fabs(x[i]));
  const float d = largest / 127, inverse = reciprocal(d);
  b.d = f32_to_f16(d);
  for (int i = 0; i < 32; ++i) b.qs[i] = static_cast<int8_t>(std::round(x[i] * inverse));
}

void store_nibbles(const uint8_t codes[32], uint8_t qs[16]) {
  for (int i = 0; i < 16; ++i) qs[i] = static_cast<uint8_t>((codes[i] & 15) | (codes[i + 16] & 15) << 4);
}

void store_fifth_bits(const uint8_t codes[32], uint8_t qh[4]) {
  std::memset(qh, 0, 4);
  for (int i = 0; i < 32; ++i) qh[i / 8] |= static_cast<uint8_t>((codes[i] >> 4) << (i % 8));
}

// q4_0 and q5_0: the value of largest magnitude falls on -levels / 2. Returns d.
float quantize_symmetric(const float* x, int levels, uint8_t codes[32]) {
  float largest = 0;
  for (int i = 0; i < 32; ++i)
    if (std::fabs(x[i]) > std::fabs(largest)) largest = x[i];
  const float half = static_cast<float>(levels / 2);
  const float d = largest / -half, inverse = reciprocal(d);
  for (int i = 0; i < 32; ++i)
    codes[i] = static_cast<uint8_t>(std::min(levels - 1, static_cast<int>(x[i] * inverse + (half + 0.5f))));
  return d;
}

// q4_1 and q5_1: [min, max] on [0, levels - 1].
Affine quantize_affine(const float* x, int levels, uint8_t codes[32]) {
  const auto [low, high] = std::minmax_element(x, x + 32);
  const float d = (*high - *low) / static_cast<float>(levels - 1), inverse = reciprocal(d);
  for (int i = 0; i < 32; ++i)
    codes[i] = static_cast<uint8_t>(std::min(levels - 1, static_cast<int>((x[i] - *low) * inverse + 0.5f)));
  return {d, *low};
}

void quantize_block(DType dtype, const float* x, void* out) {
  uint8_t codes[32];
  switch (dtype) {
    case DType::q8_0: return quantize_q8_0(x, *static_cast<BlockQ8_0*>(out));
    case DType::q4_0: {
      auto& b = *static_cast<BlockQ4_0*>(out);
      b.d = f32_to_f16(quantize_symmetric(x, 16, codes));
      return store_nibbles(codes, b.qs);
    }
    case DType::q5_0: {
      auto& b = *static_cast<BlockQ5_0*>(out);
      b.d = f32_to_f16(quantize_symmetric(x, 32, codes));
      store_fifth_bits(codes, b.qh);
      return store_nibbles(codes, b.qs);
    }
    case DType::q4_1: {
      auto& b = *static_cast<BlockQ4_1*>(out);
      const Affine a = quantize_affine(x, 16, codes);
      b.d = f32_to_f16(a.d), b.m = f32_to_f16(a.m);
      return store_nibbles(codes, b.qs);
    }
    case DType::q5_1: {
      auto& b = *static_cast<BlockQ5_1*>(out);
      const Affine a = quantize_affine(x, 32, codes);
      b.d = f32_to_f16(a.d), b.m = f32_to_f16(a.m);
      store_fifth_bits(codes, b.qh);
      return store_nibbles(codes, b.qs);
    }
    case DType::q4_K: return quantize_q4_K(x, *static_cast<BlockQ4_K*>(out));
    case DType::q5_K: return quantize_q5_K(x, *static_cast<BlockQ5_K*>(out));
    case DType::q6_K: return quantize_q6_K(x, *static_cast<BlockQ6_K*>(out));
    default: WEFT_CHECK(false, "cannot quantise to ", name(dtype));
  }
}

}  // namespace

void dequantize(DType dtype, const void* src, float* out, int64_t n) {
  if (dtype == DType::f32) {
    std::memcpy(out, src, static_cast<size_t>(n) * sizeof(float));
  } else if (dtype == DType::f16 || dtype == DType::bf16) {
    const auto* bits = static_cast<const uint16_t*>(src);
    for (int64_t i = 0; i < n; ++i) out[i] = dtype == DType::f16 ? f16_to_f32(bits[i]) : bf16_to_f32(bits[i]);
  } else {
    const DTypeInfo& info = dtype_info(dtype);
    WEFT_CHECK(info.block_elements > 1 && n % info.block_elements == 0, n, " elements of ", info.name);
    const auto* block = static_cast<const std::byte*>(src);
    for (int64_t i = 0; i < n; i += info.block_elements, block += info.block_bytes) dequantize_block(dtype, block, out + i);
  }
}

void quantize(DType dtype, const float* src, void* out, int64_t n) {
  if (dtype == DType::f32) {
    std::memcpy(out, src, static_cast<size_t>(n) * sizeof(float));
  } else if (dtype == DType::f16 || dtype == DType::bf16) {
    auto* bits = static_cast<uint16_t*>(out);
    for (int64_t i = 0; i < n; ++i) bits[i] = dtype == DType::f16 ? f32_to_f16(src[i]) : f32_to_bf16(src[i]);
  } else {
    const DTypeInfo& info = dtype_info(dtype);
    WEFT_CHECK(info.block_elements > 1 && n % info.block_elements == 0, n, " elements of ", info.name);
    auto* block = static_cast<std::byte*>(out);
    for (int64_t i = 0; i < n; i += info.block_elements, block += info.block_bytes) quantize_block(dtype, src + i, block);
  }
}

float quantize_activation(const float* x, int n, int8_t* q) {
  float largest = 0;
  bool finite = true;
  for (int i = 0; i < n; ++i) {
    finite &= std::isfinite(x[i]);
    largest = std::max(largest, std::fabs(x[i]));
  }
  const float d = largest / 127, inverse = 1 / d;
  if (!finite || !std::isfinite(inverse)) {
    std::memset(q, 0, static_cast<size_t>(n));
    return finite ? 0 : std::nanf("");
  }
  for (int i = 0; i < n; ++i) q[i] = static_cast<int8_t>(std::nearbyint(x[i] * inverse));
  return d;
}

}  // namespace weft::quant
