#include "parallel/linear_tp.h"

#include <algorithm>

#include "kernels/add_bias/add_bias.h"
#include "kernels/embedding/embedding.h"
#include "kernels/tree_sum/tree_sum.h"
#include "parallel/bytes.h"

namespace weft {
namespace {

// Subtree sums of a rank lie row by row, (rows, parts, n): what one product writes is then, cut at the rows, what each receiver gets.
Tensor subtree_sums(Tensor rows) {
  Tensor by_part = rows;  // (parts, rows, n), as `linear` wants it
  std::swap(by_part.shape[0], by_part.shape[1]);
  std::swap(by_part.stride[0], by_part.stride[1]);
  return by_part;
}

// out (own rows, N) = the canonical sum; partial(y) fills y ([own parts,] tokens, N) with this rank's subtree sums.
template <class Partial>
void reduce(Tensor out, const SplitSum& sum, const TokenShard& shard, Parallel& p, const Partial& partial) {
  if (sum.ranks() == 1) return partial(out);
  WEFT_CHECK_EQ(sum.ranks(), p.tp.size());
  const Arena::Scope scope(p.context.workspace);
  const int ranks = sum.ranks();
  const int64_t n = out.dim(1), own_parts = sum.plan.outputs;
  Tensor received = p.context.workspace.tensor(DType::f32, {sum.parts(), shard.own.size(), n});
  Tensor sent = p.context.workspace.tensor(DType::f32, {shard.tokens, own_parts, n});
  partial(subtree_sums(sent));
  std::vector<int64_t> send_counts, recv_counts;
  for (int peer = 0; peer < ranks; ++peer) {
    send_counts.push_back(own_parts * shard.rows_of(ranks, peer).size() * n * 4);
    recv_counts.push_back(sum.parts_of_rank[peer] * shard.own.size() * n * 4);
  }
  if (shard.replicated) {
    p.tp.all_gather_v(bytes(received), bytes(sent), recv_counts);
  } else {
    p.tp.all_to_all_v(bytes(received), recv_counts, bytes(sent), send_counts);
  }
  tree_sum(out, received, sum.parts_of_rank, sum.merges, p.context);
}

}  // namespace

// Replicated, a reduction is one exchange of every part with every rank; sharded it is two, each of a rank's
// share. Measured between processes (2 cores): on 2 ranks both send the same bytes and replicated is ahead
// (2.2 against 3.9 us for one row of 576, 28 against 42 us for 8 rows of 2048); on 4 ranks sharded sends half
// and is ahead from about 8 rows (44 against 63 us at 8 rows of 576, 0.46 against 0.71 ms at 64 rows of
// 2048).
TokenShard TokenShard::make(int64_t tokens, int ranks, int rank) {
  constexpr int64_t kFewTokens = 16;
  const bool few = tokens < std::max<int64_t>(kFewTokens, 2 * ranks);
  return ranks == 1 || few ? all(tokens) : sharded(tokens, ranks, rank);
}

int64_t TokenShard::most_replicated(int64_t tokens, int ranks) {
  while (tokens > 0 && !make(tokens, ranks, 0).replicated) --tokens;
  return tokens;
}

void column_parallel(Tensor y, Tensor x, const PackedMatrix& w, Parallel& p) {
  linear(y, x, w, KPlan::sequential(w.k()), p.arithmetic, p.context);
}

void row_parallel(Tensor out, Tensor x, const PackedMatrix& w, const SplitSum& sum, Tensor bias, const TokenShard& shard,
                  Parallel& p) {
  WEFT_CHECK_EQ(sum.ranks(), p.tp.size());
  WEFT_CHECK_EQ(x.dim(0), shard.tokens);
  WEFT_CHECK_EQ(out.dim(0), shard.own.size());
  reduce(out, sum, shard, p, [&](Tensor y) {
    if (sum.plan.outputs > 0) linear(y, x, w, sum.plan, p.arithmetic, p.context);
  });
  if (bias.rank > 0) add_bias(out, bias, p.context);
}

void grouped_row_parallel(Tensor out, Tensor x, std::span<const PackedMatrix> w, Tensor offsets, const SplitSum& sum,
                          Parallel& p) {
  WEFT_CHECK_EQ(out.dim(0), x.dim(0));
  reduce(out, sum, TokenShard::all(x.dim(0)), p, [&](Tensor y) {
    if (sum.plan.outputs > 0) grouped_linear(y, x, w, offsets, sum.plan, p.arithmetic, p.context);
  });
}

Tensor gather_tokens(Tensor all, Tensor own, const TokenShard& shard, Parallel& p) {
  if (shard.replicated) return own;
  WEFT_CHECK_EQ(all.dim(0), shard.tokens);
  WEFT_CHECK_EQ(own.dim(0), shard.own.size());
  const int64_t row_bytes = shard.tokens ? all.bytes() / shard.tokens : 0;
  std::vector<int64_t> counts;
  for (int peer = 0; peer < p.tp.size(); ++peer) {
    counts.push_back(shard.rows_of(p.tp.size(), peer).size() * row_bytes);
  }
  p.tp.all_gather_v(bytes(all), bytes(own), counts);
  return all;
}

// A rank looks up its own rows and has zeros elsewhere. A value and zeros have the same sum in any order.
void vocab_embed(Tensor out, Tensor ids, const PackedMatrix& table, Range held, const SplitSum& sum, const TokenShard& shard,
                 Parallel& p) {
  WEFT_CHECK_EQ(table.n(), held.size());
  reduce(out, sum, shard, p, [&](Tensor y) {
    embedding(y.view({shard.tokens, out.dim(1)}), ids, table, held.begin, p.context);
  });
}

}  // namespace weft
