#pragma once
// What all layers of one forward pass share.
#include <span>

#include "kernels/attention/attention.h"
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
  int64_t expert_capacity = 0;  // of every rank: ExpertExchange
};

struct Step {
  const StepInput& in;
  Tensor logits;                   // (rows, this rank's slice of the vocabulary) f32
  std::span<const PagedKv> kv;     // by CacheId
  std::span<const Tensor> tables;     // by TableId: cos and sin of every row, (tokens, 2, pairs)
  std::span<const Tensor> schedules;  // by ScheduleId: of attention
  TokenShard shard;                // whose rows of the residual stream this rank keeps
  ExpertExchange exchange;         // of these rows
  Parallel& p;

  Arena& arena() const { return p.context.workspace; }
  // (tokens, n): every rank's own rows of x, in the workspace.
  Tensor all_tokens(Tensor x) const {
    return gather_tokens(arena().tensor(DType::f32, {shard.tokens, x.dim(1)}), x, shard, p);
  }
};

}  // namespace weft
