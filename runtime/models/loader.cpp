#include "runtime/models/loader.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "kernels/core/progress.h"
#include "kernels/quant/quant.h"

namespace weft {
namespace {

// Covering columns: quantisation blocks are never cut. Activations are quantised in blocks of 32 stored columns whatever the
// weights are, so plain types begin on that grid too: the blocks must not depend on where a rank's columns begin.
Range cover(Range cols, DType dtype) {
  const int64_t block = dtype_info(dtype).block_elements, grid = std::max<int64_t>(block, 32);
  return {cols.begin / grid * grid, (cols.end + block - 1) / block * block};
}

// Which parts of every dimension this rank holds.
struct RankShare {
  HeadShard heads;
  Range vocab;
  Units head_units, mlp_units, expert_units;
  Range mlp_run, expert_run;      // units
  ExpertPlacement placement;
  bool split_experts = false;

  RankShare(const ModelConfig& c, const Mesh& mesh) {
    heads = shard_heads(c.n_heads, c.n_kv_heads, mesh.tp, mesh.rank);
    vocab = split_evenly(c.vocab_size, mesh.tp, mesh.rank);
    head_units = Units::heads(c.n_heads, c.head_dim);
    mlp_units = Units::mlp(c.intermediate_size);
    mlp_run = split_evenly(mlp_units.count(), mesh.tp, mesh.rank);
    if (c.moe.n_experts == 0) return;
    split_experts = mesh.ep == 1 && mesh.tp > 1;
    placement = split_experts ? ExpertPlacement::contiguous(c.moe.n_experts, 1, 1)
                              : ExpertPlacement::contiguous(c.moe.n_experts, mesh.ep, mesh.world);
    expert_units = Units::mlp(c.moe.intermediate_size);
    expert_run = split_experts ? split_evenly(expert_units.count(), mesh.tp, mesh.rank) : Range{0, expert_units.count()};
  }

  // The placement's rank that this process plays.
  int expert_rank(const Mesh& mesh) const { return split_experts ? 0 : mesh.rank; }

  bool holds(const WeightRule& rule, const Mesh& mesh) const {
    return rule.expert < 0 || placement.rank_of[rule.expert] == expert_rank(mesh);
  }
  Range rows(const WeightRule& rule, const ModelConfig& c) const {
    switch (rule.shard) {
      case Shard::vocab: return vocab;
      case Shard::q_heads: return {heads.q.begin * c.head_dim, heads.q.end * c.head_dim};
      case Shard::kv_heads: return {heads.kv.begin * c.head_dim, heads.kv.end * c.head_dim};
      case Shard::mlp: return mlp(rule);
      default: return {0, rule.rows};
    }
  }
  Range cols(const WeightRule& rule, const ModelConfig& c) const {
    switch (rule.shard) {
      case Shard::q_heads_cols: return {heads.q.begin * c.head_dim, heads.q.end * c.head_dim};
      case Shard::mlp_cols: return mlp(rule);
      default: return {0, rule.cols};
    }
  }
  Range mlp(const WeightRule& rule) const {
    return rule.expert < 0 ? mlp_units.range(mlp_run) : expert_units.range(expert_run);
  }
  int64_t bytes(const WeightRule& rule, const ModelConfig& c, DType dtype) const {
    return rows(rule, c).size() * (rule.cols ? dtype_bytes(dtype, cover(cols(rule, c), dtype).size()) : 4);
  }
};

// Which of the names a rule goes by the checkpoint holds.
const WeightSource* find(const Checkpoint& checkpoint, const WeightRule& rule) {
  for (const WeightSource& source : rule.sources)
    if (checkpoint.has(source.name)) return &source;
  return nullptr;
}

void check_shape(const Checkpoint& checkpoint, const WeightRule& rule, const WeightSource& source) {
  const TensorInfo& info = checkpoint.info(source.name);
  const int64_t last = info.shape.empty() ? 0 : info.shape.back();
  const int64_t leading =
      info.shape.empty() ? 0 : std::accumulate(info.shape.begin(), info.shape.end() - 1, int64_t{1}, std::multiplies<>());
  if (leading == source.stored_rows && last == (rule.cols ? rule.cols : rule.rows)) return;
  std::string shape;
  for (const int64_t d : info.shape) shape += (shape.empty() ? "" : ", ") + std::to_string(d);
  bad_input(checkpoint.path(), ": tensor ", source.name, " has shape (", shape, "), the config asks for ",
            rule.cols ? cat("(", source.stored_rows, ", ", rule.cols, ")") : cat("(", rule.rows, ")"));
}

class Loader {
 public:
  Loader(Checkpoint& checkpoint, const ModelConfig& config, const Mesh& mesh, ThreadPool& pool)
      : checkpoint_(checkpoint), config_(config), mesh_(mesh), pool_(pool), share_(config, mesh) {}

  DecoderWeights load(const WeightTable& table) {
    check_complete(checkpoint_, config_, table);
    prepare_layers();
    std::vector<std::pair<const WeightRule*, const WeightSource*>> own;
    int64_t total = 0;
    for (const WeightRule& rule : table.rules())
      if (const WeightSource* source = find(checkpoint_, rule); source && share_.holds(rule, mesh_)) {
        own.emplace_back(&rule, source);
        total += share_.bytes(rule, config_, checkpoint_.info(source->name).dtype);
      }
    Progress progress(cat("loading ", checkpoint_.path()), "bytes", total, mesh_.rank == 0);
    for (const auto& [rule, source] : own) {
      rule->cols ? load_matrix(*rule, *source) : load_vector(*rule, *source);
      progress.advance(share_.bytes(*rule, config_, checkpoint_.info(source->name).dtype));
    }
    for (LayerWeights& layer : weights_.layers) attach_bias(layer.attention.qkv), attach_bias(layer.mlp.gate_up);
    return std::move(weights_);
  }

 private:
  void prepare_layers() {
    weights_.layers.resize(config_.n_layers);
    for (int i = 0; i < config_.n_layers; ++i) {
      LayerWeights& layer = weights_.layers[i];
      layer.attention.o.sum = SplitSum::make(share_.head_units, mesh_.tp, mesh_.rank);
      layer.attention.heads = share_.heads;
      layer.attention.head_dim = config_.head_dim;
      layer.attention.window = config_.window[i];
      layer.attention.pairing = config_.rope.pairing;
      layer.mlp.down.sum = SplitSum::make(share_.mlp_units, mesh_.tp, mesh_.rank);
      if (!config_.moe_layer[i]) continue;
      MoeWeights& moe = layer.moe.emplace();
      moe.placement = share_.placement;
      moe.down_sum = share_.split_experts ? SplitSum::make(share_.expert_units, mesh_.tp, mesh_.rank)
                                            : SplitSum::make(share_.expert_units, 1, 0);
      moe.router_params = config_.moe.router;
      moe.k = config_.moe.k;
      const size_t local = share_.placement.experts_of[share_.expert_rank(mesh_)].size();
      moe.gate_up.resize(local);
      moe.down.resize(local);
    }
  }

  PackedMatrix& place(const WeightRule& rule) {
    if (rule.slot == Slot::embed) return weights_.embed;
    if (rule.slot == Slot::head) return weights_.head;
    LayerWeights& layer = weights_.layers[rule.layer];
    const auto local = [&] { return share_.placement.local_index[rule.expert]; };
    switch (rule.slot) {
      case Slot::q: case Slot::k: case Slot::v: return layer.attention.qkv;
      case Slot::o: return layer.attention.o.weight;
      case Slot::gate: case Slot::up: return layer.mlp.gate_up;
      case Slot::down: return layer.mlp.down.weight;
      case Slot::router: return layer.moe->router;
      case Slot::expert_gate: case Slot::expert_up: return layer.moe->gate_up[local()];
      case Slot::expert_down: return layer.moe->down[local()];
      default: WEFT_CHECK(false, "slot ", static_cast<int>(rule.slot), " is no matrix");
    }
    __builtin_unreachable();
  }

  void load_matrix(const WeightRule& rule, const WeightSource& source) {
    const DType dtype = checkpoint_.info(source.name).dtype;
    const Range rows = share_.rows(rule, config_), cols = share_.cols(rule, config_), stored = cover(cols, dtype);
    PackedMatrix& matrix = place(rule);
    if (matrix.segments().empty()) matrix = PackedMatrix(cols.size(), cols.begin - stored.begin, stored.size());
    const int segment = matrix.add_segment(dtype, rows.size());
    if (rows.size() > 0 && cols.size() > 0) {
      const std::byte* data = checkpoint_.rows(source.name, source.first_row + rows.begin, source.first_row + rows.end) +
                              dtype_bytes(dtype, stored.begin);
      const int64_t row_bytes = dtype_bytes(dtype, rule.cols), panel = PackedMatrix::kPanel;
      const int64_t panels = (rows.size() + panel - 1) / panel;
      pool_.parallel_for(panels, 8, [&](int64_t begin, int64_t end, int) {
        const int64_t first = begin * panel, count = std::min(end * panel, rows.size()) - first;
        matrix.fill(segment, first, count, data + first * row_bytes, row_bytes);
      });
    }
    if (rule.expert < 0 || rule.expert + 1 == config_.moe.n_experts) checkpoint_.release(source.name);
  }

  std::vector<float> read_vector(const WeightRule& rule, const WeightSource& source) {
    std::vector<float> values(rule.rows);
    quant::dequantize(checkpoint_.info(source.name).dtype, checkpoint_.rows(source.name, 0, 1), values.data(), rule.rows);
    const Range own = share_.rows(rule, config_);
    return {values.begin() + own.begin, values.begin() + own.end};
  }

  void load_vector(const WeightRule& rule, const WeightSource& source) {
    std::vector<float> values = read_vector(rule, source);
    if (rule.slot == Slot::final_norm) { weights_.final_norm = {std::move(values)}; return; }
    if (rule.slot == Slot::rope_factors) { weights_.rope_factors = {std::move(values)}; return; }
    LayerWeights& layer = weights_.layers[rule.layer];
    switch (rule.slot) {
      case Slot::attention_norm: layer.attention_norm = {std::move(values)}; break;
      case Slot::mlp_norm: layer.mlp_norm = {std::move(values)}; break;
      case Slot::q_norm: layer.attention.q_norm = {std::move(values)}; break;
      case Slot::k_norm: layer.attention.k_norm = {std::move(values)}; break;
      case Slot::o_bias: layer.attention.o.bias = std::move(values); break;
      case Slot::down_bias: layer.mlp.down.bias = std::move(values); break;
      case Slot::q_bias: case Slot::k_bias: case Slot::v_bias: append_bias(layer.attention.qkv, values); break;
      case Slot::gate_bias: case Slot::up_bias: append_bias(layer.mlp.gate_up, values); break;
      default: WEFT_CHECK(false, "slot ", static_cast<int>(rule.slot), " is no vector");
    }
  }

  // The matrices of a fused product follow each other in the table, and so do their biases.
  void append_bias(const PackedMatrix& matrix, const std::vector<float>& values) {
    std::vector<float>& bias = bias_[&matrix];
    bias.insert(bias.end(), values.begin(), values.end());
  }

  void attach_bias(PackedMatrix& matrix) {
    if (const auto found = bias_.find(&matrix); found != bias_.end()) matrix.set_bias(std::move(found->second));
  }

  Checkpoint& checkpoint_;
  const ModelConfig& config_;
  const Mesh& mesh_;
  ThreadPool& pool_;
  RankShare share_;
  DecoderWeights weights_;
  std::map<const PackedMatrix*, std::vector<float>> bias_;
};

}  // namespace

void check_complete(const Checkpoint& checkpoint, const ModelConfig& config, const WeightTable& table) {
  checkpoint.check_types();
  std::set<std::string> used;
  for (const WeightRule& rule : table.rules()) {
    const WeightSource* source = find(checkpoint, rule);
    if (!source) {
      if (rule.optional) continue;
      bad_input(checkpoint.path(), ": tensor ", rule.sources[checkpoint.is_gguf() ? rule.sources.size() - 1 : 0].name,
                " is missing");
    }
    used.insert(source->name);
    check_shape(checkpoint, rule, *source);
  }
  if (config.tie_word_embeddings) used.insert("lm_head.weight");  // the embedding a second time
  for (const auto& [name, info] : checkpoint.tensors())
    if (!used.contains(name))
      bad_input(checkpoint.path(), ": tensor ", name, " is not part of a ", config.model_type, " model");
}

DecoderWeights load_decoder(Checkpoint& checkpoint, const ModelConfig& config, const WeightTable& table, const Mesh& mesh,
                            ThreadPool& pool) {
  return Loader(checkpoint, config, mesh, pool).load(table);
}

int64_t shard_bytes(const WeightRule& rule, const ModelConfig& config, const Mesh& mesh, DType dtype) {
  const RankShare share(config, mesh);
  if (!share.holds(rule, mesh)) return 0;
  return share.bytes(rule, config, dtype);
}

}  // namespace weft
