#include "runtime/models/anatomy.h"

#include <algorithm>
#include <map>

#include "runtime/models/architecture.h"
#include "runtime/models/loader.h"

namespace weft {
namespace {

std::string component_of(const WeightRule& rule) {
  switch (rule.slot) {
    case Slot::embed: return "embedding";
    case Slot::head: return "head";
    case Slot::router: return "router";
    case Slot::gate: case Slot::up: case Slot::gate_bias: case Slot::up_bias: case Slot::down: case Slot::down_bias:
      return "mlp";
    case Slot::expert_gate: case Slot::expert_up: case Slot::expert_down: return "experts";
    case Slot::final_norm: case Slot::attention_norm: case Slot::mlp_norm: return "norms";
    default: return "attention";
  }
}

std::string attention_kind(const ModelConfig& c) {
  const char* kind = c.n_kv_heads == c.n_heads ? "MHA" : c.n_kv_heads == 1 ? "MQA" : "GQA";
  static constexpr const char* kRope[] = {"plain", "linear", "YaRN", "llama3"};
  std::string text = cat(kind, ", ", c.n_heads, " query and ", c.n_kv_heads, " KV heads of ", c.head_dim, ", RoPE ",
                         kRope[static_cast<int>(c.rope.type)], " theta ", c.rope.rope_theta);
  const auto sliding = std::count_if(c.window.begin(), c.window.end(), [](int w) { return w > 0; });
  if (sliding) text += cat(", sliding window ", *std::max_element(c.window.begin(), c.window.end()), " in ", sliding, " layers");
  if (c.qk_norm) text += ", QK-norm";
  if (c.attention_bias) text += c.output_bias ? ", biases" : ", QKV biases";
  return text;
}

std::map<std::string, std::string> kinds(const ModelConfig& c) {
  const auto moe_layers = std::count(c.moe_layer.begin(), c.moe_layer.end(), true);
  return {{"embedding", cat(c.vocab_size, " tokens of ", c.hidden_size, c.tie_word_embeddings ? ", tied to the head" : "")},
          {"head", cat(c.vocab_size, " tokens")},
          {"norms", cat("RMSNorm eps ", c.rms_norm_eps)},
          {"attention", attention_kind(c)},
          {"mlp", cat("SwiGLU ", c.intermediate_size, " in ", c.n_layers - moe_layers, " layers", c.mlp_bias ? ", biases" : "")},
          {"router", cat("softmax top-", c.moe.k, c.moe.router.normalise ? ", normalised" : "")},
          {"experts", cat(c.moe.n_experts, " SwiGLU experts of ", c.moe.intermediate_size, " in ", moe_layers, " layers")}};
}

}  // namespace

Anatomy anatomy(const ModelConfig& config, const Mesh& mesh, DType kv_dtype,
                const std::function<DType(const WeightRule&)>& dtype_of) {
  WeightTable table(config);
  find_architecture(config.model_type).weights(table, config);
  Anatomy out;
  const auto kind = kinds(config);
  for (const char* name : {"embedding", "attention", "mlp", "router", "experts", "norms", "head"})
    out.components.push_back({name, kind.at(name)});
  out.rank_weight_bytes.assign(mesh.world, 0);

  for (const WeightRule& rule : table.rules()) {
    if (rule.slot == Slot::rope_factors) continue;  // a form of the config, not a parameter
    const int64_t n = rule.rows * std::max<int64_t>(rule.cols, 1);
    const std::string name = component_of(rule);
    auto& component = *std::find_if(out.components.begin(), out.components.end(), [&](const auto& c) { return c.name == name; });
    component.parameters += n;
    // One expert stands for the k that a token meets: k of n_experts, exactly.
    component.active += rule.expert < 0 ? n : rule.expert < config.moe.k ? n : 0;
    const DType dtype = dtype_of(rule);
    for (int r = 0; r < mesh.world; ++r) {
      Mesh at = mesh;
      at.rank = r;
      out.rank_weight_bytes[r] += shard_bytes(rule, config, at, dtype);
    }
    out.weight_bytes += rule.cols ? rule.rows * dtype_bytes(dtype, rule.cols) : rule.rows * 4;
  }
  std::erase_if(out.components, [](const auto& c) { return c.parameters == 0; });
  for (const auto& c : out.components) out.parameters += c.parameters, out.active += c.active;

  const int64_t head_bytes = 2 * config.n_layers * config.head_dim * dtype_info(kv_dtype).block_bytes;
  out.kv_bytes_per_token = config.n_kv_heads * head_bytes;
  for (int r = 0; r < mesh.world; ++r)
    out.rank_kv_bytes_per_token.push_back(shard_heads(config.n_heads, config.n_kv_heads, mesh.tp, r).kv.size() * head_bytes);
  return out;
}

}  // namespace weft
