#pragma once
// Every weight of an architecture as a row of a table: checkpoint names, place in the model, shape, shard rule. The loader,
// the completeness check and `weft inspect` iterate it; it is the architecture's documentation too.
#include <string>
#include <vector>

#include "runtime/models/config.h"

namespace weft {

// Where a weight goes. Matrices are (rows = outputs, cols = inputs); the others are vectors.
enum class Slot : uint8_t {
  embed, head, final_norm, rope_factors,
  attention_norm, q, k, v, q_bias, k_bias, v_bias, q_norm, k_norm, o, o_bias,
  mlp_norm, gate, up, gate_bias, up_bias, down, down_bias,
  router, expert_gate, expert_up, expert_down,
};

// What part of it a rank holds.
enum class Shard : uint8_t {
  replicate,     // all of it
  vocab,         // rows, split evenly
  q_heads,       // rows of its query heads
  kv_heads,      // rows of the KV heads those need
  q_heads_cols,  // columns of its query heads
  mlp,           // rows of its MLP units (of an expert: all rows where experts are not split)
  mlp_cols,      // columns of its MLP units
};

struct WeightSource {
  std::string name;            // in the checkpoint
  int64_t stored_rows = 0;     // rows of the stored tensor, all leading dimensions multiplied
  int64_t first_row = 0;       // where this weight's rows begin in it (fused and stacked tensors)
};

struct WeightRule {
  Slot slot;
  Shard shard;
  int layer = -1;              // -1: not in a layer
  int expert = -1;
  int64_t rows = 0;            // of a vector: its length, cols = 0
  int64_t cols = 0;
  std::vector<WeightSource> sources;  // the first that the checkpoint has is used
  bool optional = false;
};

class WeightTable {
 public:
  explicit WeightTable(const ModelConfig& config) : config_(config) {}

  // {i} in a name stands for the layer, {e} for the expert. hf_fused: what a checkpoint with fused experts calls it.
  void matrix(Slot slot, Shard shard, int64_t rows, int64_t cols, const std::string& hf, const std::string& gguf, int layer = -1,
              const std::string& hf_fused = "");
  void vector(Slot slot, Shard shard, int64_t n, const std::string& hf, const std::string& gguf, int layer = -1,
              bool optional = false);
  // The experts of one layer: hf names one tensor an expert; hf_fused, if any, holds all experts' tensors stacked
  // (experts * fused_rows, cols) and this weight from row `fused_first` of each; gguf is stacked (experts * rows, cols), and
  // gguf_each one tensor an expert, as the files of 2023 have it.
  void experts(Slot slot, Shard shard, int64_t rows, int64_t cols, const std::string& hf, const std::string& hf_fused,
               int64_t fused_rows, int64_t fused_first, const std::string& gguf, const std::string& gguf_each, int layer);

  const std::vector<WeightRule>& rules() const { return rules_; }

 private:
  ModelConfig config_;
  std::vector<WeightRule> rules_;
};

}  // namespace weft
