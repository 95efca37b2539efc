#pragma once
// How GGUF's Llama differs from Hugging Face's in values: the row order of q and k, and Llama 3's frequency factors.
#include <cstdint>
#include <optional>
#include <vector>

namespace weft {

// The GGUF architecture "llama" stores the rows of q and k (weight and bias) in the order of interleaved RoPE pairs
// (GgufName::Rows::rope_pairs).
// interleaved_to_half: GGUF's row -> the same row's place in Hugging Face's order.
int64_t interleaved_to_half(int64_t row, int64_t head_dim);
int64_t half_to_interleaved(int64_t row, int64_t head_dim);

// Llama 3's scaling (Dubey et al. 2024): every frequency is divided by a factor that depends on its
// wavelength.
struct Llama3Rope {
  double factor = 8, low_freq_factor = 1, high_freq_factor = 4, original_max_position_embeddings = 8192;
};
// (head_dim / 2) divisors: GGUF's tensor rope_freqs.weight.
std::vector<float> llama3_rope_divisors(const Llama3Rope& rope, double rope_theta, int64_t head_dim);
// The scaling whose divisors these are, if it is one that Llama 3 was released with (1, 4, 8192 and any
// factor).
std::optional<Llama3Rope> recognise_llama3_rope(const std::vector<float>& divisors, double rope_theta);

}  // namespace weft
