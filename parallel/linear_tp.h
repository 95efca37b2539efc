#pragma once
// The tensor-parallel collectives of the tree, all of them. A layer says column_parallel / row_parallel and never
// communicates itself. One rank is the special case of one rank: nothing here branches on "distributed".
#include "kernels/core/context.h"
#include "kernels/linear/linear.h"
#include "parallel/canonical.h"
#include "parallel/communicator.h"

namespace weft {

// Who keeps which rows (tokens) of the residual stream in this step. sharded: rank r owns split_evenly(tokens, size, r);
// replicated: every rank holds all rows and repeats their small work, which costs one exchange less when tokens are few.
// The bits are the same.
struct TokenShard {
  int64_t tokens = 0;
  Range own;         // this rank's rows
  bool replicated = true;
  static TokenShard make(int64_t tokens, int ranks, int rank);
};

// Everything a rank's ops and collectives need in one step.
struct Parallel {
  Communicator& comm;
  Context& context;
  Arithmetic arithmetic;
};

// A row-parallel matrix: this rank's units along K, its summation program, and how all ranks' subtrees are finished.
struct RowParallel {
  PackedMatrix weight;             // (N, own K)
  KPlan plan;
  CombinePlan combine;
  std::vector<int> parts_of_rank;  // subtrees each rank contributes
  std::vector<float> bias;         // (N) or empty; added once, after the reduction

  static RowParallel make(const Units& units, int ranks, int rank);  // plan and combine; weight and bias are loaded later
};

// y = x w^T + bias: this rank's columns of the output. No communication.
void column_parallel(Tensor y, Tensor x, const PackedMatrix& w, Parallel& p);

// out (own rows, N) = canonical sum over all ranks of x w^T (+ bias).   x: (tokens, own K)
void row_parallel(Tensor out, Tensor x, const RowParallel& w, const TokenShard& shard, Parallel& p);
int64_t row_parallel_workspace(int64_t tokens, int64_t n, int64_t k, int max_parts, int ranks, Arithmetic a, int threads);

// all (tokens, n) from every rank's own rows; a replicated shard copies nothing: returns `own` itself.
Tensor gather_tokens(Tensor all, Tensor own, const TokenShard& shard, Parallel& p);

// out (own rows, hidden): rows of the embedding table, which is split over ranks by vocabulary; first_row is this rank's.
void vocab_embed(Tensor out, Tensor ids, const PackedMatrix& table, int64_t first_row, const TokenShard& shard, Parallel& p);

// logits (rows, vocab) on rank 0 (other ranks' logits are left alone) = x head^T.   x: (rows, hidden), equal on all ranks
void vocab_logits(Tensor logits, Tensor x, const PackedMatrix& head, int64_t vocab, Parallel& p);

}  // namespace weft
