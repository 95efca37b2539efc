#pragma once
// Expert parallelism: the only expert exchange of the tree.
//   dispatch   every (token, slot) pair's row goes to a rank that holds its expert
//   experts    the caller runs its own experts on rows grouped by expert
//   combine    results travel back the same way; the token's owner adds them in slot order
// A rank has room for `capacity` rows at a time. If the router sends it more, all ranks repeat the three steps in rounds until every
// row was computed: a hot expert costs rounds, never tokens and never memory. Pairs are added in slot order whatever round they
// travelled in, so the bits do not hang on the capacity.
// Where the ranks hold the same rows nothing has to be dispatched: each runs its experts' pairs, the pairs'
// results are gathered and every rank adds in slot order. Same bits.
#include <functional>

#include "kernels/core/context.h"
#include "parallel/expert_placement.h"
#include "parallel/linear_tp.h"

namespace weft {

// How the rows of a step lie on the ranks that exchange them; equal on all of these.
struct ExpertExchange {
  bool replicated = true;  // every rank has the same rows; else each has its own, as many as it likes (none, too)
  int64_t most_rows = 0;   // that a rank has
  int64_t capacity = 0;    // rows that a rank has room for in one round; at least one a sender is taken

  // Of ranks that share their rows as `shard` says.
  static ExpertExchange of(const TokenShard& shard, int64_t capacity, const Parallel& p);
};

// What is taken if nobody asks: twice an even share of the pairs of a step of max_tokens, or what `few_tokens` can send to one rank
// at worst, if that is more: steps that small (all running sequences generate) never need a second round, and no count is read.
int64_t default_expert_capacity(int64_t max_tokens, int64_t few_tokens, int64_t k, const ExpertPlacement& placement);

// Counted in every step, whatever runs: what researchers ask of a router. Equal on all ranks: of all tokens.
struct RouterStats {
  std::vector<int64_t> tokens_per_expert;
  int64_t exchanged_bytes = 0;  // of tokens and results that this rank sent to other ranks
  std::vector<int32_t> step;    // tokens per expert since collect(); where the ops count

  static RouterStats of(int64_t n_experts);
  void collect();          // between steps
  RouterStats& operator+=(const RouterStats& other);
  double entropy() const;  // of the share of tokens per expert, in bits
  double hottest_share() const;
};

// Runs this rank's experts: y (rows, hidden) from x (rows, hidden); the rows of local expert e are [offsets[e], offsets[e + 1]), offsets
// (local + 1) i32; rows beyond offsets[local] belong to nobody. Called equally often by every rank, with no rows too. y does not alias
// x; x may be overwritten.
using ExpertFn = std::function<void(Tensor y, Tensor x, Tensor offsets)>;

// out (own rows, hidden) = sum over slots of weights * expert(x), slots in ascending order by fma.
// x (own rows, hidden) f32, ids (own rows, k) i32 in [0, n_experts), or -1 in rows of padding, weights (own rows, k) f32.
// shard: of the tensor-parallel group, which experts that are split over it (a placement over one rank) need.
void expert_parallel(Tensor out, Tensor x, Tensor ids, Tensor weights, const ExpertPlacement& placement,
                     const TokenShard& shard, const ExpertExchange& exchange, const ExpertFn& experts, RouterStats& stats,
                     Parallel& p);

}  // namespace weft
