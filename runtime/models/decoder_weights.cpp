// The weight table every Hugging Face decoder of the Llama line shares, with llama.cpp's names beside it.
#include "runtime/models/architecture.h"

namespace weft {

void mlp_weights(WeightTable& t, const ModelConfig& c, int i) {
  const int64_t H = c.hidden_size, F = c.intermediate_size;
  const std::string mlp = "model.layers.{i}.mlp.";
  t.matrix(Slot::gate, Shard::mlp, F, H, mlp + "gate_proj.weight", "blk.{i}.ffn_gate.weight", i);
  t.matrix(Slot::up, Shard::mlp, F, H, mlp + "up_proj.weight", "blk.{i}.ffn_up.weight", i);
  t.matrix(Slot::down, Shard::mlp_cols, H, F, mlp + "down_proj.weight", "blk.{i}.ffn_down.weight", i);
  if (!c.mlp_bias) return;
  t.vector(Slot::gate_bias, Shard::mlp, F, mlp + "gate_proj.bias", "blk.{i}.ffn_gate.bias", i);
  t.vector(Slot::up_bias, Shard::mlp, F, mlp + "up_proj.bias", "blk.{i}.ffn_up.bias", i);
  t.vector(Slot::down_bias, Shard::replicate, H, mlp + "down_proj.bias", "blk.{i}.ffn_down.bias", i);
}

void moe_weights(WeightTable& t, const ModelConfig& c, int i, const std::string& module, const std::string& gate,
                 const std::string& up, const std::string& down) {
  const int64_t H = c.hidden_size, F = c.moe.intermediate_size;
  const std::string expert = module + "experts.{e}.", fused = "model.layers.{i}.mlp.", stacked = fused + "experts.";
  const std::string blk = "blk.{i}.";
  t.matrix(Slot::router, Shard::replicate, c.moe.n_experts, H, module + "gate.weight", blk + "ffn_gate_inp.weight", i,
           fused + "gate.weight");
  t.experts(Slot::expert_gate, Shard::mlp, F, H, expert + gate + ".weight", stacked + "gate_up_proj", 2 * F, 0,
            blk + "ffn_gate_exps.weight", blk + "ffn_gate.{e}.weight", i);
  t.experts(Slot::expert_up, Shard::mlp, F, H, expert + up + ".weight", stacked + "gate_up_proj", 2 * F, F,
            blk + "ffn_up_exps.weight", blk + "ffn_up.{e}.weight", i);
  t.experts(Slot::expert_down, Shard::mlp_cols, H, F, expert + down + ".weight", stacked + "down_proj", H, 0,
            blk + "ffn_down_exps.weight", blk + "ffn_down.{e}.weight", i);
}

void decoder_weights(WeightTable& t, const ModelConfig& c) {
  const int64_t V = c.vocab_size, H = c.hidden_size, D = c.head_dim, Q = c.n_heads * D, KV = c.n_kv_heads * D;
  // Of two tied matrices a checkpoint may hold either.
  t.matrix(Slot::embed, Shard::vocab, V, H, "model.embed_tokens.weight", "token_embd.weight", -1,
           c.tie_word_embeddings ? "lm_head.weight" : "");
  t.vector(Slot::final_norm, Shard::replicate, H, "model.norm.weight", "output_norm.weight");
  if (!c.tie_word_embeddings) t.matrix(Slot::head, Shard::vocab, V, H, "lm_head.weight", "output.weight");
  // llama.cpp bakes Llama 3's RoPE scaling into a tensor of divisors instead of metadata.
  t.vector(Slot::rope_factors, Shard::replicate, D / 2, "", "rope_freqs.weight", -1, true);

  for (int i = 0; i < c.n_layers; ++i) {
    const std::string layer = "model.layers.{i}.", attn = layer + "self_attn.", blk = "blk.{i}.";
    t.vector(Slot::attention_norm, Shard::replicate, H, layer + "input_layernorm.weight", blk + "attn_norm.weight", i);
    t.matrix(Slot::q, Shard::q_heads, Q, H, attn + "q_proj.weight", blk + "attn_q.weight", i);
    t.matrix(Slot::k, Shard::kv_heads, KV, H, attn + "k_proj.weight", blk + "attn_k.weight", i);
    t.matrix(Slot::v, Shard::kv_heads, KV, H, attn + "v_proj.weight", blk + "attn_v.weight", i);
    t.matrix(Slot::o, Shard::q_heads_cols, H, Q, attn + "o_proj.weight", blk + "attn_output.weight", i);
    if (c.attention_bias) {
      t.vector(Slot::q_bias, Shard::q_heads, Q, attn + "q_proj.bias", blk + "attn_q.bias", i);
      t.vector(Slot::k_bias, Shard::kv_heads, KV, attn + "k_proj.bias", blk + "attn_k.bias", i);
      t.vector(Slot::v_bias, Shard::kv_heads, KV, attn + "v_proj.bias", blk + "attn_v.bias", i);
    }
    if (c.output_bias) t.vector(Slot::o_bias, Shard::replicate, H, attn + "o_proj.bias", blk + "attn_output.bias", i);
    if (c.qk_norm) {
      t.vector(Slot::q_norm, Shard::replicate, D, attn + "q_norm.weight", blk + "attn_q_norm.weight", i);
      t.vector(Slot::k_norm, Shard::replicate, D, attn + "k_norm.weight", blk + "attn_k_norm.weight", i);
    }
    t.vector(Slot::mlp_norm, Shard::replicate, H, layer + "post_attention_layernorm.weight", blk + "ffn_norm.weight", i);
    if (!c.moe_layer[i]) mlp_weights(t, c, i);
  }
}

}  // namespace weft
