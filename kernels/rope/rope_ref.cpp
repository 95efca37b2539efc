#include <cmath>

#include "kernels/rope/rope.h"

namespace weft::ref {

void rope_table(Tensor cos_sin, Tensor positions, Tensor inv_freq, float attention_factor, Context&) {
  const int64_t pairs = inv_freq.dim(0);
  for (int64_t t = 0; t < positions.dim(0); ++t)
    for (int64_t i = 0; i < pairs; ++i) {
      const float angle = static_cast<float>(positions.as<int32_t>()[t]) * inv_freq.as<float>()[i];
      float* row = cos_sin.as<float>() + t * 2 * pairs;
      row[i] = static_cast<float>(std::cos(double{angle})) * attention_factor;
      row[pairs + i] = static_cast<float>(std::sin(double{angle})) * attention_factor;
    }
}

void rope(Tensor x, Tensor cos_sin, RopePairs pairing, Context&) {
  const int64_t pairs = cos_sin.dim(2);
  const bool half = pairing == RopePairs::half;
  for (int64_t t = 0; t < x.dim(0); ++t)
    for (int64_t h = 0; h < x.dim(1); ++h)
      for (int64_t i = 0; i < pairs; ++i) {
        float* head = x.as<float>() + t * x.stride[0] + h * x.stride[1];
        float& a = head[half ? i : 2 * i];
        float& b = head[half ? i + pairs : 2 * i + 1];
        const double cos = cos_sin.as<float>()[t * 2 * pairs + i], sin = cos_sin.as<float>()[(t * 2 + 1) * pairs + i];
        const double rotated_a = a * cos - b * sin, rotated_b = b * cos + a * sin;
        a = static_cast<float>(rotated_a);
        b = static_cast<float>(rotated_b);
      }
}

}  // namespace weft::ref
