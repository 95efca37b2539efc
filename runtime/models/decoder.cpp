// The decoder-only transformer, whatever its architecture: embedding, blocks, final norm, logits.
#include <algorithm>
#include <cstring>

#include "kernels/rms_norm/rms_norm.h"
#include "runtime/layers/layers.h"
#include "runtime/models/architecture.h"
#include "runtime/models/loader.h"
#include "runtime/models/model.h"

namespace weft {

void pre_norm_block(Tensor x, Tensor residual, const LayerWeights& w, const PagedKv& kv, Step& s) {
  add_rms_norm(x, residual, x, w.attention_norm.view(), s.norm_eps, s.p.context);
  self_attention(x, w.attention, kv, s);
  add_rms_norm(x, residual, x, w.mlp_norm.view(), s.norm_eps, s.p.context);
  w.moe ? moe(x, *w.moe, s) : mlp(x, w.mlp, s);
}

namespace {

class Decoder : public Model {
 public:
  Decoder(Checkpoint& checkpoint, const ModelConfig& config, const Mesh& mesh, ThreadPool& pool)
      : architecture_(find_architecture(config.model_type)), config_(config) {
    if (checkpoint.is_gguf() && architecture_.gguf_interleaves_rope) config_.rope.pairing = RopePairs::interleaved;
    WeightTable table(config_);
    architecture_.weights(table, config_);
    weights_ = load_decoder(checkpoint, config_, table, mesh, pool);

    rope_ = rope_frequencies(config_.rope, config_.head_dim);
    for (size_t i = 0; i < weights_.rope_factors.values.size(); ++i) rope_.inv_freq[i] /= weights_.rope_factors.values[i];
    stats_.tokens_per_expert.assign(config_.moe.n_experts, 0);
    for (LayerWeights& layer : weights_.layers)
      if (layer.moe) layer.moe->stats = &stats_;
  }

  const ModelConfig& config() const override { return config_; }
  int kv_heads() const override { return static_cast<int>(weights_.layers[0].attention.heads.kv.size()); }
  const RouterStats* router_stats() const override { return config_.moe.n_experts ? &stats_ : nullptr; }

  int64_t weight_bytes() const override {
    int64_t bytes = weights_.embed.bytes() + weights_.head.bytes();
    for (const LayerWeights& l : weights_.layers) {
      bytes += l.attention.qkv.bytes() + l.attention.o.weight.bytes() + l.mlp.gate_up.bytes() + l.mlp.down.weight.bytes();
      if (!l.moe) continue;
      bytes += l.moe->router.bytes();
      for (size_t e = 0; e < l.moe->gate_up.size(); ++e) bytes += l.moe->gate_up[e].bytes() + l.moe->down[e].bytes();
    }
    return bytes;
  }

  void forward(Tensor logits, const StepInput& in, std::span<const PagedKv> kv, Parallel& p) override {
    Arena& arena = p.context.workspace;
    Arena::Scope scope(arena);
    const int64_t tokens = in.ids.dim(0), hidden = config_.hidden_size, pairs = config_.head_dim / 2;

    Tensor cos_sin = arena.tensor(DType::f32, {tokens, 2, pairs});
    rope_table(cos_sin, in.positions, Tensor(rope_.inv_freq.data(), {pairs}), rope_.attention_factor, p.context);
    Step s{in, cos_sin, TokenShard::make(tokens, p.comm.size(), p.comm.rank()), config_.rms_norm_eps, p};

    Tensor x = arena.tensor(DType::f32, {s.shard.own.size(), hidden});
    Tensor residual = arena.tensor(DType::f32, {s.shard.own.size(), hidden});
    std::memset(residual.data, 0, static_cast<size_t>(residual.bytes()));
    vocab_embed(x, in.ids, weights_.embed, config_.vocab_size, s.shard, p);
    for (int i = 0; i < config_.n_layers; ++i) architecture_.block(x, residual, weights_.layers[i], kv[i], s);
    add_rms_norm(x, residual, x, weights_.final_norm.view(), config_.rms_norm_eps, p.context);
    head(logits, s.all_tokens(x), in.logit_rows, p);
  }

  int64_t workspace(const StepLimits& limits, int ranks, Arithmetic a, int threads) const override {
    const int64_t T = limits.max_tokens, H = config_.hidden_size;
    int64_t layer = 0;
    for (const LayerWeights& l : weights_.layers)
      layer = std::max({layer, self_attention_workspace(T, H, l.attention, a, threads),
                        l.moe ? moe_workspace(T, H, *l.moe, ranks, a, threads) : mlp_workspace(T, H, l.mlp, a, threads)});
    const int64_t rows = Arena::padded(limits.max_rows * H * 4);
    const int64_t head = Arena::padded(T * H * 4) + rows + vocab_logits_workspace(limits.max_rows, config_.vocab_size, H, ranks, a, threads);
    return Arena::padded(T * config_.head_dim * 4) + 2 * Arena::padded(T * H * 4) +
           std::max({layer, head, vocab_embed_workspace(T, H, ranks)});
  }

 private:
  // Logits of the wanted rows of all (tokens, hidden), which is already normed.
  void head(Tensor logits, Tensor all, Tensor logit_rows, Parallel& p) {
    const int64_t rows = logit_rows.dim(0), hidden = config_.hidden_size;
    if (rows == 0) return;
    Arena::Scope scope(p.context.workspace);
    Tensor wanted = p.context.workspace.tensor(DType::f32, {rows, hidden});
    for (int64_t r = 0; r < rows; ++r)
      std::memcpy(wanted.as<float>() + r * hidden, all.as<float>() + logit_rows.as<int32_t>()[r] * hidden, hidden * sizeof(float));
    const PackedMatrix& head = config_.tie_word_embeddings ? weights_.embed : weights_.head;
    vocab_logits(logits, wanted, head, config_.vocab_size, p);
  }

  const Architecture& architecture_;
  ModelConfig config_;
  DecoderWeights weights_;
  RopeFrequencies rope_;
  RouterStats stats_;
};

}  // namespace

std::unique_ptr<Model> Model::load(Checkpoint& checkpoint, const ModelConfig& config, const Mesh& mesh, ThreadPool& pool) {
  return std::make_unique<Decoder>(checkpoint, config, mesh, pool);
}

}  // namespace weft
