#include "runtime/weights/llama_layout.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

namespace weft {
namespace {

struct Names {
  std::string_view hugging_face, gguf;
};
constexpr std::array<Names, 3> kModel = {{{"model.embed_tokens.weight", "token_embd.weight"},
                                          {"model.norm.weight", "output_norm.weight"},
                                          {"lm_head.weight", "output.weight"}}};
constexpr std::string_view kHuggingFaceLayer = "model.layers.", kGgufLayer = "blk.";
// Modules of a layer; each may have .weight and .bias.
constexpr std::array<Names, 13> kLayer = {{{"input_layernorm", "attn_norm"},
                                           {"self_attn.q_proj", "attn_q"},
                                           {"self_attn.k_proj", "attn_k"},
                                           {"self_attn.v_proj", "attn_v"},
                                           {"self_attn.o_proj", "attn_output"},
                                           {"self_attn.q_norm", "attn_q_norm"},
                                           {"self_attn.k_norm", "attn_k_norm"},
                                           {"post_attention_layernorm", "ffn_norm"},
                                           {"mlp.gate_proj", "ffn_gate"},
                                           {"mlp.up_proj", "ffn_up"},
                                           {"mlp.down_proj", "ffn_down"},
                                           {"block_sparse_moe.gate", "ffn_gate_inp"},
                                           {"mlp.gate", "ffn_gate_inp"}}};

std::optional<std::string> translate(const std::string& name, std::string_view Names::*from, std::string_view Names::*to,
                                     std::string_view from_layer, std::string_view to_layer) {
  for (const Names& names : kModel)
    if (names.*from == name) return std::string(names.*to);
  if (!name.starts_with(from_layer)) return std::nullopt;
  const size_t number_end = name.find('.', from_layer.size()), suffix = name.rfind('.');
  if (number_end == name.npos || suffix <= number_end) return std::nullopt;
  const std::string number = name.substr(from_layer.size(), number_end - from_layer.size());
  const std::string module = name.substr(number_end + 1, suffix - number_end - 1);
  const std::string part = name.substr(suffix);
  if (number.empty() || number.find_first_not_of("0123456789") != number.npos) return std::nullopt;
  if (part != ".weight" && part != ".bias") return std::nullopt;
  for (const Names& names : kLayer)
    if (names.*from == module) return std::string(to_layer) + number + "." + std::string(names.*to) + part;
  return std::nullopt;
}

}  // namespace

std::optional<std::string> llama_gguf_name(const std::string& hugging_face) {
  return translate(hugging_face, &Names::hugging_face, &Names::gguf, kHuggingFaceLayer, kGgufLayer);
}

std::optional<std::string> llama_hugging_face_name(const std::string& gguf, const std::string& model_type) {
  std::optional<std::string> name = translate(gguf, &Names::gguf, &Names::hugging_face, kGgufLayer, kHuggingFaceLayer);
  constexpr std::string_view kRouter = ".block_sparse_moe.gate.";  // the first of the table's two names for it
  if (const size_t at = name ? name->find(kRouter) : std::string::npos; at != std::string::npos && model_type != "mixtral")
    name->replace(at, kRouter.size(), ".mlp.gate.");
  return name;
}

ExpertNames expert_names(const std::string& model_type) {
  if (model_type == "mixtral") return {"block_sparse_moe.experts", "w1", "w3", "w2"};
  if (model_type == "qwen3_moe") return {"mlp.experts", "gate_proj", "up_proj", "down_proj"};
  return {};
}

bool is_rope_projection(const std::string& gguf_name) {
  const auto holds = [&](const char* module) { return gguf_name.find(module) != gguf_name.npos; };
  return holds(".attn_q.") || holds(".attn_k.");
}

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
