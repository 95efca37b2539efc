#pragma once
// Expert parallelism: the only expert exchange of the tree.
//   dispatch   every (token, slot) pair's row goes to the rank that owns its expert, by all_to_all_v
//   experts    the caller runs its own experts on rows grouped by expert
//   combine    results travel back the same way; the token's owner adds them in slot order
// With a replicated TokenShard every rank already has all rows: it runs its experts' pairs, the pairs'
// results are all-gathered and every rank adds in slot order. Same bits. Tokens are never dropped.
#include <functional>

#include "kernels/core/context.h"
#include "parallel/linear_tp.h"

namespace weft {

// Which rank runs which expert. A table, so that uneven, redundant and balanced placements are data. A
// placement over one rank (ep = 1) means that every rank runs all experts: on several ranks a slice of each
// (grouped_row_parallel).
struct ExpertPlacement {
  std::vector<int> rank_of;                  // (n_experts)
  std::vector<int> local_index;              // (n_experts): its index among its rank's experts
  std::vector<std::vector<int>> experts_of;  // (ranks): global ids, ascending

  int n_experts() const { return static_cast<int>(rank_of.size()); }
  int ranks() const { return static_cast<int>(experts_of.size()); }
  // Contiguous, as even as possible, over the first ep of `ranks` ranks; the rest own none.
  static ExpertPlacement contiguous(int n_experts, int ep, int ranks);
};

// Counted in every step, whatever runs: what researchers ask of a router. Equal on all ranks: of all tokens.
struct RouterStats {
  std::vector<int64_t> tokens_per_expert;
  int64_t exchanged_bytes = 0;  // of tokens and results that this rank sent to other ranks
  double entropy() const;  // of the share of tokens per expert, in bits
  double hottest_share() const;
};

// Runs this rank's experts: y (rows, hidden) from x (rows, hidden), rows grouped by local expert at offsets
// (local + 1). Called once by every rank, with no rows too. y does not alias x; x may be overwritten.
using ExpertFn = std::function<void(Tensor y, Tensor x, std::span<const int32_t> offsets)>;

// out (own rows, hidden) = sum over slots of weights * expert(x), slots in ascending order by fma.
// x (own rows, hidden) f32, ids (own rows, k) i32 in [0, n_experts), weights (own rows, k) f32: this shard's
// own rows (all rows when replicated).
void expert_parallel(Tensor out, Tensor x, Tensor ids, Tensor weights, const ExpertPlacement& placement,
                     const TokenShard& shard, const ExpertFn& experts, RouterStats& stats, Parallel& p);
// Without what `experts` takes. tokens: all of the step; ranks: of the communicator.
int64_t expert_parallel_workspace(int64_t tokens, int64_t hidden, int k, int n_experts, int ranks);

}  // namespace weft
