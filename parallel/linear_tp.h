#pragma once
// The tensor-parallel collectives of the tree, all of them. A layer says column_parallel / row_parallel and
// never communicates itself. One rank is the special case of one rank: nothing here branches on
// "distributed". Tensors are f32 and contiguous unless said otherwise. Scratch comes from p.context.workspace, as much as in a
// dry run. Every function but column_parallel is called by all ranks of p.tp together; what needs no exchange (one rank, rows
// every rank has) makes none.
#include "kernels/core/context.h"
#include "kernels/linear/linear.h"
#include "parallel/canonical.h"
#include "parallel/communicator.h"

namespace weft {

// Who keeps which rows (tokens) of the residual stream in this step. sharded: rank r owns
// split_evenly(tokens, size, r); replicated: every rank holds all rows and repeats their small work, which
// costs one exchange less when tokens are few. The bits are the same.
struct TokenShard {
  int64_t tokens = 0;
  Range own;  // this rank's rows
  bool replicated = true;

  // The cheaper form for this many tokens; what was measured stands beside it in linear_tp.cpp.
  static TokenShard make(int64_t tokens, int ranks, int rank);
  static TokenShard make(int64_t tokens, const Communicator& tp) { return make(tokens, tp.size(), tp.rank()); }
  // The most tokens that are replicated on so many ranks.
  static int64_t most_replicated(int64_t tokens, int ranks);
  // Either form, for tests and measurements.
  static TokenShard all(int64_t tokens) { return {tokens, {0, tokens}, true}; }
  static TokenShard sharded(int64_t tokens, int ranks, int rank) {
    return {tokens, split_evenly(tokens, ranks, rank), false};
  }

  // The rows of rank `rank`.
  Range rows_of(int ranks, int rank) const { return replicated ? own : split_evenly(tokens, ranks, rank); }
};

// Everything a rank's ops and collectives need in one step.
struct Parallel {
  Communicator& tp;  // who shares every layer's tensors, and the rows of a step
  Communicator& ep;  // who exchanges rows for experts
  Context& context;
  Arithmetic arithmetic;
};

// y = x w^T + bias: this rank's columns of the output. No communication.
void column_parallel(Tensor y, Tensor x, const PackedMatrix& w, Parallel& p);

// out (own rows, N) = canonical sum over all ranks of x w^T, then + bias (N), or without if that has no dimension.
// x: (tokens, own K)   w: (N, own K), without a bias of its own   sum: along K. out must not alias x.
void row_parallel(Tensor out, Tensor x, const PackedMatrix& w, const SplitSum& sum, Tensor bias, const TokenShard& shard,
                  Parallel& p);

// The same sum for experts that are split over ranks: out (pairs, N) complete on every rank; x (pairs, own K)
// holds the rows of expert e at [offsets[e], offsets[e + 1]), offsets (experts + 1) i32. Sums of one rank
// (SplitSum::make(units, 1, 0): whole experts) need no exchange and give the same bits.
void grouped_row_parallel(Tensor out, Tensor x, std::span<const PackedMatrix> w, Tensor offsets, const SplitSum& sum,
                          Parallel& p);

// all (tokens, ...) from every rank's own rows; a replicated shard copies nothing: returns `own` itself. f32
// or i32.
Tensor gather_tokens(Tensor all, Tensor own, const TokenShard& shard, Parallel& p);

// out (own rows, hidden) = rows ids of an embedding table, of which this rank holds the rows `held` and every row lies on one rank.
// ids: (tokens) i32, equal on all ranks, each a row of the table   sum: one part a rank (Dim::sum_of_ranks())
void vocab_embed(Tensor out, Tensor ids, const PackedMatrix& table, Range held, const SplitSum& sum, const TokenShard& shard,
                 Parallel& p);

}  // namespace weft
