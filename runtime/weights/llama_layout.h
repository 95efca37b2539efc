#pragma once
// How the Llama family (llama, mistral, mixtral, qwen2, qwen3, qwen3_moe) is written in the two formats: tensor names,
// the row order of q and k, and Llama 3's frequency factors.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace weft {

// model.layers.3.self_attn.q_proj.weight <-> blk.3.attn_q.weight. Nothing for a name outside the family and
// for the tensors of single experts, which GGUF stacks.
std::optional<std::string> llama_gguf_name(const std::string& hugging_face);
// model_type tells what a router is called.
std::optional<std::string> llama_hugging_face_name(const std::string& gguf, const std::string& model_type);

// What the experts of a layer are called: model.layers.L.MODULE.E.GATE.weight. Of a model without experts: all empty.
struct ExpertNames {
  std::string module, gate, up, down;
};
ExpertNames expert_names(const std::string& model_type);

// True for q and k projections (weight or bias, GGUF names), whose rows the GGUF architecture "llama" stores
// in the order of interleaved RoPE pairs: its row 2 i + j of a head is Hugging Face's row i + j * head_dim /
// 2, j in {0, 1}.
bool is_rope_projection(const std::string& gguf_name);
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
