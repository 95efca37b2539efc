#include "runtime/weights/gguf_names.h"

#include <algorithm>
#include <array>

namespace weft {
namespace {

constexpr GgufName kCommon[] = {
    {"model.embed_tokens", "token_embd"},
    {"model.norm", "output_norm"},
    {"lm_head", "output"},
    {"model.layers.{l}.input_layernorm", "blk.{l}.attn_norm"},
    {"model.layers.{l}.self_attn.v_proj", "blk.{l}.attn_v"},
    {"model.layers.{l}.self_attn.o_proj", "blk.{l}.attn_output"},
    {"model.layers.{l}.post_attention_layernorm", "blk.{l}.ffn_norm"},
    {"model.layers.{l}.mlp.gate_proj", "blk.{l}.ffn_gate"},
    {"model.layers.{l}.mlp.up_proj", "blk.{l}.ffn_up"},
    {"model.layers.{l}.mlp.down_proj", "blk.{l}.ffn_down"},
};
constexpr GgufName kLlama[] = {
    {"model.layers.{l}.self_attn.q_proj", "blk.{l}.attn_q", GgufName::Rows::rope_pairs},
    {"model.layers.{l}.self_attn.k_proj", "blk.{l}.attn_k", GgufName::Rows::rope_pairs},
};
constexpr GgufName kQwen[] = {
    {"model.layers.{l}.self_attn.q_proj", "blk.{l}.attn_q"},
    {"model.layers.{l}.self_attn.k_proj", "blk.{l}.attn_k"},
    {"model.layers.{l}.self_attn.q_norm", "blk.{l}.attn_q_norm"},
    {"model.layers.{l}.self_attn.k_norm", "blk.{l}.attn_k_norm"},
};
constexpr GgufName kMixtralExperts[] = {
    {"model.layers.{l}.block_sparse_moe.gate", "blk.{l}.ffn_gate_inp"},
    {"model.layers.{l}.mlp.gate", "blk.{l}.ffn_gate_inp"},  // as transformers 5 has it in memory
    {"model.layers.{l}.block_sparse_moe.experts.{e}.w1", "blk.{l}.ffn_gate_exps"},
    {"model.layers.{l}.block_sparse_moe.experts.{e}.w2", "blk.{l}.ffn_down_exps"},
    {"model.layers.{l}.block_sparse_moe.experts.{e}.w3", "blk.{l}.ffn_up_exps"},
    {"model.layers.{l}.block_sparse_moe.experts.{e}.w1", "blk.{l}.ffn_gate.{e}"},  // the files of 2023
    {"model.layers.{l}.block_sparse_moe.experts.{e}.w2", "blk.{l}.ffn_down.{e}"},
    {"model.layers.{l}.block_sparse_moe.experts.{e}.w3", "blk.{l}.ffn_up.{e}"},
};
constexpr GgufName kQwen3Experts[] = {
    {"model.layers.{l}.mlp.gate", "blk.{l}.ffn_gate_inp"},
    {"model.layers.{l}.mlp.experts.{e}.gate_proj", "blk.{l}.ffn_gate_exps"},
    {"model.layers.{l}.mlp.experts.{e}.down_proj", "blk.{l}.ffn_down_exps"},
    {"model.layers.{l}.mlp.experts.{e}.up_proj", "blk.{l}.ffn_up_exps"},
};

struct Architecture {
  std::string_view model_type;
  const char* gguf;
  std::span<const GgufName> attention, experts;
};
constexpr Architecture kArchitectures[] = {
    {"llama", "llama", kLlama, {}},  {"mistral", "llama", kLlama, {}}, {"mixtral", "llama", kLlama, kMixtralExperts},
    {"qwen2", "qwen2", kQwen, {}},   {"qwen3", "qwen3", kQwen, {}},    {"qwen3_moe", "qwen3moe", kQwen, kQwen3Experts},
};

constexpr std::string_view kLayer = "{l}", kExpert = "{e}";
constexpr std::array<std::string_view, 2> kEndings = {".weight", ".bias"};

// What the placeholders of a pattern stand for.
struct Numbers {
  std::string layer, expert;
};

std::optional<Numbers> match(std::string_view pattern, std::string_view name) {
  Numbers numbers;
  while (!pattern.empty()) {
    const bool layer = pattern.starts_with(kLayer);
    if (layer || pattern.starts_with(kExpert)) {
      const size_t digits = std::min(name.find_first_not_of("0123456789"), name.size());
      if (digits == 0) return std::nullopt;
      (layer ? numbers.layer : numbers.expert) = name.substr(0, digits);
      name.remove_prefix(digits);
      pattern.remove_prefix(kLayer.size());
    } else {
      if (name.empty() || name.front() != pattern.front()) return std::nullopt;
      name.remove_prefix(1), pattern.remove_prefix(1);
    }
  }
  return name.empty() ? std::optional(numbers) : std::nullopt;
}

// A number that is not known leaves its placeholder.
std::string filled(std::string_view pattern, const Numbers& numbers) {
  std::string name(pattern);
  const auto put = [&](std::string_view placeholder, const std::string& number) {
    if (const size_t at = name.find(placeholder); at != name.npos && !number.empty()) name.replace(at, placeholder.size(), number);
  };
  put(kLayer, numbers.layer);
  put(kExpert, numbers.expert);
  return name;
}

std::optional<GgufNames::Found> translate(std::span<const GgufName> list, std::string_view name, std::string_view GgufName::*from,
                                          std::string_view GgufName::*to) {
  for (const std::string_view ending : kEndings) {
    if (!name.ends_with(ending)) continue;
    const std::string_view module = name.substr(0, name.size() - ending.size());
    for (const GgufName& entry : list)
      if (const auto numbers = match(entry.*from, module)) {
        const bool of_all = !numbers->expert.empty() && (entry.*to).find(kExpert) == std::string_view::npos;
        return GgufNames::Found{filled(entry.*to, *numbers).append(ending), of_all ? std::stoll(numbers->expert) : -1, entry.rows};
      }
  }
  return std::nullopt;
}

}  // namespace

GgufNames::GgufNames(std::string_view model_type) {
  for (const Architecture& a : kArchitectures)
    if (a.model_type == model_type) architecture_ = a.gguf, attention_ = a.attention, experts_ = a.experts;
}

std::optional<GgufNames::Found> GgufNames::to_gguf(std::string_view hugging_face) const {
  for (const auto list : {std::span<const GgufName>(kCommon), attention_, experts_})
    if (auto found = translate(list, hugging_face, &GgufName::hugging_face, &GgufName::gguf)) return found;
  return std::nullopt;
}

std::optional<GgufNames::Found> GgufNames::to_hugging_face(std::string_view gguf) const {
  for (const auto list : {std::span<const GgufName>(kCommon), attention_, experts_})
    if (auto found = translate(list, gguf, &GgufName::gguf, &GgufName::hugging_face)) return found;
  return std::nullopt;
}

}  // namespace weft
