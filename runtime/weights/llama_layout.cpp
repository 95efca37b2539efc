#include "runtime/weights/llama_layout.h"

#include <algorithm>
#include <cmath>

namespace weft {
int64_t interleaved_to_half(int64_t row, int64_t head_dim) {
  const int64_t head = row / head_dim, within = row % head_dim;
  return head * head_dim + within / 2 + within % 2 * (head_dim / 2);
}

int64_t half_to_interleaved(int64_t row, int64_t head_dim) {
  const int64_t head = row / head_dim, within = row % head_dim;
  return head * head_dim + within % (head_dim / 2) * 2 + within / (head_dim / 2);
}

std::vector<float> llama3_rope_divisors(const Llama3Rope& rope, double rope_theta, int64_t head_dim) {
  constexpr double kTwoPi = 6.283185307179586;
  std::vector<float> divisors;
  for (int64_t i = 0; i < head_dim / 2; ++i) {
    const double wavelength = kTwoPi * std::pow(rope_theta, 2.0 * static_cast<double>(i) / static_cast<double>(head_dim));
    const double rotations = rope.original_max_position_embeddings / wavelength;
    const double smooth =
        std::clamp((rotations - rope.low_freq_factor) / (rope.high_freq_factor - rope.low_freq_factor), 0.0, 1.0);
    divisors.push_back(static_cast<float>(1 / ((1 - smooth) / rope.factor + smooth)));
  }
  return divisors;
}

std::optional<Llama3Rope> recognise_llama3_rope(const std::vector<float>& divisors, double rope_theta) {
  if (divisors.empty()) return std::nullopt;
  Llama3Rope rope;
  rope.factor = *std::max_element(divisors.begin(), divisors.end());
  const auto expected = llama3_rope_divisors(rope, rope_theta, 2 * static_cast<int64_t>(divisors.size()));
  for (size_t i = 0; i < divisors.size(); ++i)
    if (!(std::abs(divisors[i] - expected[i]) <= 1e-4f * expected[i])) return std::nullopt;
  return rope;
}

}  // namespace weft
