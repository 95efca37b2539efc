#include "parallel/expert_dispatch.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/moe_permute/moe_permute.h"
#include "parallel/bytes.h"

namespace weft {
namespace {

// The pairs of `ids`, sorted by expert; experts count in the order (rank, local index), so a rank's pairs are
// one range.
struct SortedPairs {
  std::vector<int> first_expert;  // (ranks + 1): where a rank's experts begin in that order
  Tensor order;                   // (pairs) i32: the pair at each sorted place
  Tensor place;                   // (tokens, k) i32: the sorted place of each pair
  Tensor offsets;                 // (n_experts + 1) i32, in that order

  int64_t pairs() const { return order.dim(0); }
  int32_t begin_of_rank(int rank) const { return offsets.as<int32_t>()[first_expert[rank]]; }
  int32_t begin_of(int expert) const { return offsets.as<int32_t>()[expert]; }
};

SortedPairs sort_pairs(Tensor ids, const ExpertPlacement& placement, Context& context) {
  Arena& arena = context.workspace;
  const int64_t tokens = ids.dim(0), k = ids.dim(1), pairs = tokens * k;
  SortedPairs sorted;
  sorted.first_expert.push_back(0);
  for (const std::vector<int>& experts : placement.experts_of) {
    sorted.first_expert.push_back(sorted.first_expert.back() + static_cast<int>(experts.size()));
  }
  Tensor placed = arena.tensor(DType::i32, {tokens, k});
  for (int64_t pair = 0; pair < pairs; ++pair) {
    const int32_t expert = ids.as<int32_t>()[pair];
    WEFT_CHECK(0 <= expert && expert < placement.n_experts(), "expert ", expert, " of ", placement.n_experts());
    placed.as<int32_t>()[pair] = sorted.first_expert[placement.rank_of[expert]] + placement.local_index[expert];
  }
  sorted.order = arena.tensor(DType::i32, {pairs});
  sorted.place = arena.tensor(DType::i32, {tokens, k});
  sorted.offsets = arena.tensor(DType::i32, {placement.n_experts() + 1});
  moe_sort(sorted.order, sorted.offsets, placed, context);
  for (int64_t i = 0; i < pairs; ++i) {
    sorted.place.as<int32_t>()[sorted.order.as<int32_t>()[i]] = static_cast<int32_t>(i);
  }
  return sorted;
}

// One exchange or step of experts, seen from this rank.
class Exchange {
 public:
  Exchange(const SortedPairs& sorted, const ExpertPlacement& placement, int k, RouterStats& stats, Parallel& p)
      : sorted_(sorted), placement_(placement), k_(k), stats_(stats), p_(p), arena_(p.context.workspace) {
    me_ = placement.ranks() == 1 ? 0 : p.comm.rank();
    stats_.tokens_per_expert.resize(placement.n_experts());
  }

  // Both return the experts' results (pairs, hidden) in sorted order. x: (tokens, hidden)
  Tensor run_replicated(Tensor x, const ExpertFn& experts);
  Tensor run_dispatched(Tensor x, const ExpertFn& experts);

 private:
  int first() const { return sorted_.first_expert[me_]; }
  int last() const { return sorted_.first_expert[me_ + 1]; }
  Tensor gather_counts();
  Tensor regrouping(const Tensor& counts, int64_t rows, std::vector<int32_t>& offsets);

  const SortedPairs& sorted_;
  const ExpertPlacement& placement_;
  int k_, me_;
  RouterStats& stats_;
  Parallel& p_;
  Arena& arena_;
};

Tensor Exchange::run_replicated(Tensor x, const ExpertFn& experts) {
  for (int expert = 0; expert < placement_.n_experts(); ++expert) {
    const int placed = sorted_.first_expert[placement_.rank_of[expert]] + placement_.local_index[expert];
    stats_.tokens_per_expert[expert] += sorted_.begin_of(placed + 1) - sorted_.begin_of(placed);
  }
  const int64_t hidden = x.dim(1), begin = sorted_.begin_of_rank(me_), end = sorted_.begin_of_rank(me_ + 1);
  std::vector<int32_t> offsets;
  for (int expert = first(); expert <= last(); ++expert) {
    offsets.push_back(sorted_.begin_of(expert) - static_cast<int32_t>(begin));
  }
  Tensor rows = arena_.tensor(DType::f32, {end - begin, hidden});
  moe_permute(rows, x, sorted_.order.slice(begin, end), k_, p_.context);
  Tensor results = arena_.tensor(DType::f32, {end - begin, hidden});
  experts(results, rows, offsets);
  if (placement_.ranks() == 1) return results;

  Tensor all = arena_.tensor(DType::f32, {sorted_.pairs(), hidden});
  std::vector<int64_t> counts;
  for (int rank = 0; rank < placement_.ranks(); ++rank) {
    counts.push_back((sorted_.begin_of_rank(rank + 1) - sorted_.begin_of_rank(rank)) * hidden * 4);
  }
  p_.comm.all_gather_v(bytes(all), bytes(results), counts);
  stats_.exchanged_bytes += counts[me_] * (placement_.ranks() - 1);
  return all;
}

// (ranks, n_experts) i32: pairs of each rank for each expert. Everybody learns all of them: the statistics
// then cover the whole step on every rank.
Tensor Exchange::gather_counts() {
  const int ranks = placement_.ranks(), n = placement_.n_experts();
  Tensor own = arena_.tensor(DType::i32, {n}), all = arena_.tensor(DType::i32, {ranks, n});
  for (int expert = 0; expert < n; ++expert) {
    own.as<int32_t>()[expert] = sorted_.begin_of(expert + 1) - sorted_.begin_of(expert);
  }
  p_.comm.all_gather_v(bytes(all), bytes(own), std::vector<int64_t>(ranks, own.bytes()));
  for (int expert = 0; expert < n; ++expert) {
    const int placed = sorted_.first_expert[placement_.rank_of[expert]] + placement_.local_index[expert];
    for (int rank = 0; rank < ranks; ++rank) stats_.tokens_per_expert[expert] += all.as<int32_t>()[rank * n + placed];
  }
  return all;
}

// Rows arrive ordered by (sender, expert); experts want (expert, sender). Entry i is the arrived row at place
// i.
Tensor Exchange::regrouping(const Tensor& counts, int64_t rows, std::vector<int32_t>& offsets) {
  const int ranks = placement_.ranks(), n = placement_.n_experts();
  const int32_t* count = counts.as<int32_t>();
  std::vector<int32_t> next(ranks, 0);  // the first row of each sender not yet placed: its experts ascend
  for (int rank = 1; rank < ranks; ++rank) {
    const int32_t* before = count + (rank - 1) * n;
    next[rank] = std::accumulate(before + first(), before + last(), next[rank - 1]);
  }
  Tensor order = arena_.tensor(DType::i32, {rows});
  int32_t* place = order.as<int32_t>();
  offsets.assign(1, 0);
  for (int expert = first(); expert < last(); ++expert) {
    for (int rank = 0; rank < ranks; ++rank) {
      for (int32_t i = 0; i < count[rank * n + expert]; ++i) *place++ = next[rank]++;
    }
    offsets.push_back(static_cast<int32_t>(place - order.as<int32_t>()));
  }
  return order;
}

Tensor Exchange::run_dispatched(Tensor x, const ExpertFn& experts) {
  const int ranks = placement_.ranks(), n = placement_.n_experts();
  const int64_t hidden = x.dim(1), row_bytes = hidden * 4;
  const Tensor counts = gather_counts();
  std::vector<int64_t> to_rank, from_rank;  // bytes
  for (int rank = 0; rank < ranks; ++rank) {
    const int32_t* sender = counts.as<int32_t>() + rank * n;
    to_rank.push_back((sorted_.begin_of_rank(rank + 1) - sorted_.begin_of_rank(rank)) * row_bytes);
    from_rank.push_back(std::accumulate(sender + first(), sender + last(), int64_t{0}) * row_bytes);
  }
  const int64_t arriving = std::accumulate(from_rank.begin(), from_rank.end(), int64_t{0}) / row_bytes;

  Tensor own = arena_.tensor(DType::f32, {sorted_.pairs(), hidden});
  Tensor arrived = arena_.tensor(DType::f32, {arriving, hidden}), grouped = arena_.tensor(DType::f32, {arriving, hidden});
  moe_permute(own, x, sorted_.order, k_, p_.context);
  p_.comm.all_to_all_v(bytes(arrived), from_rank, bytes(own), to_rank);

  std::vector<int32_t> offsets;
  const Tensor regroup = regrouping(counts, arriving, offsets);
  Tensor undo = arena_.tensor(DType::i32, {arriving});
  for (int64_t i = 0; i < arriving; ++i) undo.as<int32_t>()[regroup.as<int32_t>()[i]] = static_cast<int32_t>(i);
  moe_permute(grouped, arrived, regroup, 1, p_.context);
  experts(arrived, grouped, offsets);
  moe_permute(grouped, arrived, undo, 1, p_.context);
  p_.comm.all_to_all_v(bytes(own), to_rank, bytes(grouped), from_rank);
  for (int rank = 0; rank < ranks; ++rank)
    if (rank != me_) stats_.exchanged_bytes += to_rank[rank] + from_rank[rank];
  return own;
}

// A dry run: one hot rank may receive every pair of the step.
void measure(Tensor x, Tensor ids, const ExpertPlacement& placement, const TokenShard& shard, const ExpertFn& experts,
             Parallel& p) {
  Arena& arena = p.context.workspace;
  const int64_t tokens = shard.tokens, hidden = x.dim(1), k = ids.dim(1);
  auto* memory = static_cast<std::byte*>(arena.allocate(
      expert_parallel_workspace(tokens, hidden, static_cast<int>(k), placement.n_experts(), p.comm.size())));
  const Tensor rows(memory, DType::f32, {tokens * k, hidden}), results(memory + rows.bytes(), DType::f32, {tokens * k, hidden});
  const std::vector<int32_t> offsets(placement.experts_of[placement.ranks() == 1 ? 0 : p.comm.rank()].size() + 1, 0);
  experts(results, rows, offsets);
}

// Experts that are split over ranks need all tokens on every rank.
void expert_parallel_on_all_tokens(Tensor out, Tensor x, Tensor ids, Tensor weights, const ExpertPlacement& placement,
                                   const TokenShard& shard, const ExpertFn& experts, RouterStats& stats, Parallel& p) {
  Arena& arena = p.context.workspace;
  const Arena::Scope scope(arena);
  const int64_t tokens = shard.tokens, hidden = x.dim(1), k = ids.dim(1);
  const Tensor all_x = gather_tokens(arena.tensor(DType::f32, {tokens, hidden}), x, shard, p);
  const Tensor all_ids = gather_tokens(arena.tensor(DType::i32, {tokens, k}), ids, shard, p);
  const Tensor all_weights = gather_tokens(arena.tensor(DType::f32, {tokens, k}), weights, shard, p);
  Tensor all_out = arena.tensor(DType::f32, {tokens, hidden});
  expert_parallel(all_out, all_x, all_ids, all_weights, placement, TokenShard::all(tokens), experts, stats, p);
  const Tensor own = all_out.slice(shard.own.begin, shard.own.end);
  std::copy_n(own.as<float>(), own.elements(), out.as<float>());
}

}  // namespace

ExpertPlacement ExpertPlacement::contiguous(int n_experts, int ep, int ranks) {
  WEFT_CHECK(1 <= ep && ep <= ranks && ep <= n_experts, n_experts, " experts over ", ep, " of ", ranks, " ranks");
  ExpertPlacement placement;
  placement.experts_of.resize(ranks);
  for (int rank = 0; rank < ep; ++rank) {
    const Range owned = split_evenly(n_experts, ep, rank);
    for (int64_t expert = owned.begin; expert < owned.end; ++expert) {
      placement.rank_of.push_back(rank);
      placement.local_index.push_back(static_cast<int>(expert - owned.begin));
      placement.experts_of[rank].push_back(static_cast<int>(expert));
    }
  }
  return placement;
}

double RouterStats::entropy() const {
  const double total = static_cast<double>(std::accumulate(tokens_per_expert.begin(), tokens_per_expert.end(), int64_t{0}));
  double bits = 0;
  for (const int64_t tokens : tokens_per_expert) {
    if (tokens > 0) bits -= tokens / total * std::log2(tokens / total);
  }
  return bits;
}

double RouterStats::hottest_share() const {
  const int64_t total = std::accumulate(tokens_per_expert.begin(), tokens_per_expert.end(), int64_t{0});
  if (total == 0) return 0;
  return static_cast<double>(*std::max_element(tokens_per_expert.begin(), tokens_per_expert.end())) / total;
}

void expert_parallel(Tensor out, Tensor x, Tensor ids, Tensor weights, const ExpertPlacement& placement,
                     const TokenShard& shard, const ExpertFn& experts, RouterStats& stats, Parallel& p) {
  WEFT_CHECK(placement.ranks() == 1 || placement.ranks() == p.comm.size(), placement.ranks(), " ranks in the placement");
  WEFT_CHECK_EQ(x.dim(0), shard.own.size());
  const Arena::Scope scope(p.context.workspace);
  if (p.context.dry()) return measure(x, ids, placement, shard, experts, p);
  if (placement.ranks() == 1 && !shard.replicated) {
    return expert_parallel_on_all_tokens(out, x, ids, weights, placement, shard, experts, stats, p);
  }
  const SortedPairs sorted = sort_pairs(ids, placement, p.context);
  Exchange exchange(sorted, placement, static_cast<int>(ids.dim(1)), stats, p);
  const Tensor results = shard.replicated ? exchange.run_replicated(x, experts) : exchange.run_dispatched(x, experts);
  moe_unpermute(out, results, sorted.place, weights, p.context);
}

int64_t expert_parallel_workspace(int64_t tokens, int64_t hidden, int k, int n_experts, int ranks) {
  const int64_t pairs = tokens * k, rows = Arena::padded(pairs * hidden * 4), indices = Arena::padded(pairs * 4);
  const int64_t sorted = 3 * indices + Arena::padded((n_experts + 1) * 4);
  const int64_t replicated = 3 * rows;
  const int64_t dispatched =
      3 * rows + 2 * indices + Arena::padded(n_experts * 4) + Arena::padded(int64_t{4} * ranks * n_experts);
  const int64_t on_all_tokens = 2 * rows + 2 * Arena::padded(tokens * hidden * 4) + 2 * indices;
  return sorted + std::max({replicated, dispatched, on_all_tokens});
}

}  // namespace weft
