#include "kernels/quant/quantize_k.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/core/dtype.h"

namespace weft::quant {
namespace {

int nearest(float value, int low, int high) {
  return std::clamp(static_cast<int>(std::lrint(std::clamp(value, -1e6f, 1e6f))), low, high);
}

struct ScaleAndMin {
  float scale, min;  // x ~ scale * q - min, both >= 0
};

// Alternates between the best codes for a (scale, min) and the least-squares (scale, min) for those codes.
ScaleAndMin fit_affine(const float x[32], int top) {
  const auto [low, high] = std::minmax_element(x, x + 32);
  ScaleAndMin fit{(*high - std::min(*low, 0.0f)) / static_cast<float>(top), -std::min(*low, 0.0f)}, best = fit;
  if (!(fit.scale > 0)) return {0, fit.min};
  double best_error = INFINITY;
  for (int round = 0; round < 8; ++round) {
    double q1 = 0, q2 = 0, x1 = 0, qx = 0, error = 0;
    for (int i = 0; i < 32; ++i) {
      const int q = nearest((x[i] + fit.min) / fit.scale, 0, top);
      const double e = double{fit.scale} * q - fit.min - x[i];
      error += e * e;
      q1 += q, q2 += q * q, x1 += x[i], qx += double{x[i]} * q;
    }
    if (error >= best_error) break;
    best = fit, best_error = error;
    const double determinant = 32 * q2 - q1 * q1;
    if (determinant <= 0) break;
    const double scale = (32 * qx - q1 * x1) / determinant, min = (q1 * qx - q2 * x1) / determinant;
    fit = min >= 0 ? ScaleAndMin{static_cast<float>(scale), static_cast<float>(min)}
                   : ScaleAndMin{static_cast<float>(qx / q2), 0};
    if (!(fit.scale > 0)) break;
  }
  return best;
}

// The common part of q4_K and q5_K: header, and codes with `top` as the largest.
template <class Block>
void quantize_affine_k(const float* x, int top, Block& out, uint8_t codes[256]) {
  ScaleAndMin fits[8];
  float scale = 0, min = 0;
  for (int j = 0; j < 8; ++j) {
    fits[j] = fit_affine(x + 32 * j, top);
    scale = std::max(scale, fits[j].scale), min = std::max(min, fits[j].min);
  }
  out.d = f32_to_f16(scale / 63), out.dmin = f32_to_f16(min / 63);
  const float d = f16_to_f32(out.d), dmin = f16_to_f32(out.dmin);
  std::memset(out.scales, 0, sizeof out.scales);
  for (int j = 0; j < 8; ++j) {
    const int s = d > 0 ? nearest(fits[j].scale / d, 0, 63) : 0, m = dmin > 0 ? nearest(fits[j].min / dmin, 0, 63) : 0;
    if (j < 4) {
      out.scales[j] |= static_cast<uint8_t>(s), out.scales[j + 4] |= static_cast<uint8_t>(m);
    } else {
      out.scales[j + 4] = static_cast<uint8_t>((s & 15) | (m & 15) << 4);
      out.scales[j - 4] |= static_cast<uint8_t>(s >> 4 << 6), out.scales[j] |= static_cast<uint8_t>(m >> 4 << 6);
    }
    for (int i = 32 * j; i < 32 * (j + 1); ++i)
      codes[i] = s > 0 ? static_cast<uint8_t>(nearest((x[i] + dmin * m) / (d * s), 0, top)) : 0;
  }
  for (int i = 0; i < 128; ++i) {
    const int low = i / 32 * 64 + i % 32;
    out.qs[i] = static_cast<uint8_t>((codes[low] & 15) | (codes[low + 32] & 15) << 4);
  }
}

// Least-squares scale of 16 values on [-32, 31], of a few scales around the one that puts the largest on -32.
float fit_symmetric(const float x[16]) {
  float largest = 0;
  for (int i = 0; i < 16; ++i)
    if (std::fabs(x[i]) > std::fabs(largest)) largest = x[i];
  if (std::fabs(largest) < 1e-30f) return 0;
  double best = -1;
  float scale = 0;
  for (int t = -9; t <= 9; ++t) {
    const float inverse = -(32 + 0.1f * static_cast<float>(t)) / largest;
    double qx = 0, q2 = 0;
    for (int i = 0; i < 16; ++i) {
      const int q = nearest(x[i] * inverse, -32, 31);
      qx += double{x[i]} * q, q2 += q * q;
    }
    if (q2 > 0 && qx * qx / q2 > best) best = qx * qx / q2, scale = static_cast<float>(qx / q2);
  }
  return scale;
}

}  // namespace

void quantize_q4_K(const float* x, BlockQ4_K& out) {
  uint8_t codes[256];
  quantize_affine_k(x, 15, out, codes);
}

void quantize_q5_K(const float* x, BlockQ5_K& out) {
  uint8_t codes[256];
  quantize_affine_k(x, 31, out, codes);
  std::memset(out.qh, 0, sizeof out.qh);
  for (int i = 0; i < 256; ++i) out.qh[i % 32] |= static_cast<uint8_t>((codes[i] >> 4) << (i / 32));
}

void quantize_q6_K(const float* x, BlockQ6_K& out) {
  float scales[16], largest = 0;
  for (int j = 0; j < 16; ++j) {
    scales[j] = fit_symmetric(x + 16 * j);
    if (std::fabs(scales[j]) > std::fabs(largest)) largest = scales[j];
  }
  std::memset(&out, 0, sizeof out);
  out.d = f32_to_f16(largest / -128);
  const float d = f16_to_f32(out.d);
  if (d == 0) return;
  for (int j = 0; j < 16; ++j) {
    out.scales[j] = static_cast<int8_t>(nearest(scales[j] / d, -128, 127));
    for (int i = 16 * j; i < 16 * (j + 1); ++i) {
      const int code = out.scales[j] ? nearest(x[i] / (d * out.scales[j]), -32, 31) + 32 : 32;
      const int half = i / 128, sub = i % 128 / 32, e = i % 32;
      out.ql[64 * half + 32 * (sub % 2) + e] |= static_cast<uint8_t>((code & 15) << (sub / 2 * 4));
      out.qh[32 * half + e] |= static_cast<uint8_t>((code >> 4) << (2 * sub));
    }
  }
}

}  // namespace weft::quant
