#pragma once
// What all layers of one forward pass share, and the weights of one layer on one rank.
#include <optional>
#include <vector>

#include "kernels/attention/attention.h"
#include "kernels/moe_route/moe_route.h"
#include "kernels/rope/rope.h"
#include "parallel/expert_dispatch.h"
#include "parallel/linear_tp.h"

namespace weft {

// One step's rows, flattened over sequences. All views are host memory owned by the caller, equal on all ranks.
struct StepInput {
  Tensor ids;              // (tokens) i32
  Tensor positions;        // (tokens) i32
  Tensor slots;            // (tokens) i32, where K and V of each row go: block * block_size + offset
  AttentionBatch batch;    // rows of each sequence, context lengths, block table
  Tensor logit_rows;       // (rows) i32: the rows whose logits are wanted, ascending; may be empty
};

struct Step {
  const StepInput& in;
  Tensor cos_sin;          // (tokens, 2, head_dim / 2), of all layers
  TokenShard shard;        // whose rows of the residual stream this rank keeps
  float norm_eps;
  Parallel& p;

  Arena& arena() const { return p.context.workspace; }
  // (tokens, n): every rank's own rows of x, in the workspace.
  Tensor all_tokens(Tensor x) {
    return gather_tokens(arena().tensor(DType::f32, {shard.tokens, x.dim(1)}), x, shard, p);
  }
};

// A norm's weight or a bias, f32.
struct Vector {
  std::vector<float> values;
  Tensor view() const { return Tensor(const_cast<float*>(values.data()), {static_cast<int64_t>(values.size())}); }
};

struct AttentionWeights {
  PackedMatrix qkv;          // rows: own q heads, own k heads, own v heads
  RowParallel o;
  Vector q_norm, k_norm;     // (head_dim) or empty
  HeadShard heads;
  int64_t head_dim = 0;
  int window = 0;
  RopePairs pairing = RopePairs::half;
};

struct MlpWeights {
  PackedMatrix gate_up;      // rows: own slice of gate, own slice of up
  RowParallel down;
};

struct MoeWeights {
  PackedMatrix router;                     // (n_experts, hidden), on every rank
  std::vector<PackedMatrix> gate_up, down; // of this rank's experts
  // Whole experts on different ranks: tokens travel, sums stay on one rank. Or (ep = 1) a slice of every expert on every
  // rank: the placement has one rank, and sums are completed over ranks.
  ExpertPlacement placement;
  SplitSum down_sum;                       // how the sums of every down[e] become one
  RouterParams router_params;
  int k = 0;
  RouterStats* stats = nullptr;            // one per model
};

struct LayerWeights {
  Vector attention_norm, mlp_norm;
  AttentionWeights attention;
  MlpWeights mlp;                  // of a dense layer
  std::optional<MoeWeights> moe;   // of a MoE layer
};

}  // namespace weft
