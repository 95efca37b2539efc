#include "parallel/expert_dispatch.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/moe_exchange/moe_exchange.h"
#include "kernels/moe_permute/moe_permute.h"

namespace weft {
namespace {

// The pairs of `ids` by the instance that computes them; a rank's instances are one range, so its pairs are one too.
struct SortedPairs {
  Tensor order;    // (pairs) i32: the pair at each sorted place
  Tensor place;    // (tokens, k) i32: the sorted place of each pair
  Tensor offsets;  // (instances + 1) i32

  SortedPairs(Tensor ids, const ExpertPlacement& placement, Context& context)
      : order(context.workspace.tensor(DType::i32, {ids.elements()})),
        place(context.workspace.tensor(DType::i32, {ids.dim(0), ids.dim(1)})),
        offsets(context.workspace.tensor(DType::i32, {placement.n_instances() + 1})) {
    moe_sort(order, place, offsets, ids, placement.instances(), context);
  }
  int64_t pairs() const { return order.dim(0); }
  int k() const { return static_cast<int>(place.dim(1)); }
};

// (a, b, n) as (a * b, n), and as (a * b).
Tensor rows_of(Tensor regions) { return regions.view({regions.dim(0) * regions.dim(1), regions.dim(2)}); }
Tensor flat(Tensor indices) { return indices.view({indices.elements()}); }

// The indices of one round, both sides of it.
struct Round {
  Tensor sent;                // (ranks, capacity)
  Tensor sent_counts;         // (ranks)
  Tensor place;               // (pairs)
  Tensor grouped, ungrouped;  // (senders, capacity)
  Tensor arrived_counts;      // (senders)
  Tensor row_offsets;         // (own instances + 1)

  // offsets (senders, instances + 1): of all whose rows arrive here.
  Round(const SortedPairs& sorted, Tensor offsets, const ExpertPlacement& placement, int me, int64_t capacity, int64_t round,
        Context& context) {
    Arena& arena = context.workspace;
    const int64_t ranks = placement.ranks(), senders = offsets.dim(0);
    sent = arena.tensor(DType::i32, {ranks, capacity}), sent_counts = arena.tensor(DType::i32, {ranks});
    place = arena.tensor(DType::i32, {sorted.pairs()});
    grouped = arena.tensor(DType::i32, {senders, capacity}), ungrouped = arena.tensor(DType::i32, {senders, capacity});
    arrived_counts = arena.tensor(DType::i32, {senders});
    row_offsets = arena.tensor(DType::i32, {std::ssize(placement.experts_of(me)) + 1});
    moe_pack(sent, sent_counts, place, sorted.order, sorted.offsets, placement.first_of_rank(), round, context);
    moe_regroup(grouped, ungrouped, arrived_counts, row_offsets, offsets, placement.first_instance(me), round, context);
  }
};

// The most rounds that any rank's rows for any other need. The one place where host code reads what a router chose: in a step whose
// worst case is beyond the capacity, once a layer.
int64_t rounds_needed(Tensor all_offsets, Tensor first_of_rank, int64_t capacity) {
  int64_t most = 1;
  for (int64_t sender = 0; sender < all_offsets.dim(0); ++sender) {
    const int32_t* of = all_offsets.as<int32_t>() + sender * all_offsets.dim(1);
    const int32_t* first = first_of_rank.as<int32_t>();
    for (int64_t rank = 0; rank + 1 < first_of_rank.dim(0); ++rank)
      most = std::max<int64_t>(most, (of[first[rank + 1]] - of[first[rank]] + capacity - 1) / capacity);
  }
  return most;
}

// offsets (senders, instances + 1): of all whose tokens are counted here.
void count(RouterStats& stats, Tensor offsets, const ExpertPlacement& placement, Context& context) {
  moe_count(Tensor(stats.step.data(), {std::ssize(stats.step)}), offsets, placement.instances(), context);
}
void count(RouterStats& stats, const SortedPairs& sorted, const ExpertPlacement& placement, Context& context) {
  count(stats, sorted.offsets.view({1, sorted.offsets.dim(0)}), placement, context);
}

// All functions return the experts' results (pairs, hidden) in sorted order.

// Every rank has all experts, or a slice of each.
Tensor run_all_here(Tensor x, const SortedPairs& sorted, const ExpertFn& experts, Context& context) {
  Tensor rows = context.workspace.tensor(DType::f32, {sorted.pairs(), x.dim(1)});
  Tensor results = context.workspace.tensor(DType::f32, {sorted.pairs(), x.dim(1)});
  moe_permute(rows, x, sorted.order, sorted.k(), context);
  experts(results, rows, sorted.offsets);
  return results;
}

Tensor run_replicated(Tensor x, const SortedPairs& sorted, const ExpertPlacement& placement, const ExpertFn& experts,
                      RouterStats& stats, Parallel& p) {
  Arena& arena = p.context.workspace;
  const int ranks = p.ep.size(), me = p.ep.rank();
  const int64_t hidden = x.dim(1), capacity = std::max<int64_t>(1, placement.most_pairs(x.dim(0), sorted.k()));
  Tensor sorted_results = arena.tensor(DType::f32, {sorted.pairs(), hidden});
  const Arena::Scope scope(arena);
  // As if this rank received the rows for its experts from one sender.
  const Round round(sorted, sorted.offsets.view({1, sorted.offsets.dim(0)}), placement, me, capacity, 0, p.context);
  Tensor rows = arena.tensor(DType::f32, {capacity, hidden}), results = arena.tensor(DType::f32, {capacity, hidden});
  Tensor all = arena.tensor(DType::f32, {ranks, capacity, hidden});
  moe_permute(rows, x, flat(round.sent.slice(me, me + 1)), sorted.k(), p.context);
  experts(results, rows, round.row_offsets);
  const int64_t before = p.ep.traffic().all_gather;
  p.ep.all_gather_v(all, results, round.sent_counts);
  stats.exchanged_bytes += p.ep.traffic().all_gather - before;
  moe_permute(sorted_results, rows_of(all), round.place, 1, p.context);
  return sorted_results;
}

Tensor run_dispatched(Tensor x, const SortedPairs& sorted, const ExpertPlacement& placement, const ExpertExchange& exchange,
                      const ExpertFn& experts, RouterStats& stats, Parallel& p) {
  Arena& arena = p.context.workspace;
  const int ranks = p.ep.size(), me = p.ep.rank();
  const int64_t hidden = x.dim(1), worst = std::max<int64_t>(1, placement.most_pairs(exchange.most_rows, sorted.k()));
  const int64_t capacity = std::clamp<int64_t>(exchange.capacity / ranks, 1, worst);  // of one sender at one receiver
  Tensor results = arena.tensor(DType::f32, {sorted.pairs(), hidden});
  Tensor all_offsets = arena.tensor(DType::i32, {ranks, sorted.offsets.dim(0)});
  p.ep.all_gather(all_offsets, sorted.offsets);
  count(stats, all_offsets, placement, p.context);

  const bool one_round = capacity == worst || p.context.dry();
  const int64_t rounds = one_round ? 1 : rounds_needed(all_offsets, placement.first_of_rank(), capacity);
  const int64_t before = p.ep.traffic().all_to_all;
  for (int64_t i = 0; i < rounds; ++i) {
    const Arena::Scope scope(arena);
    const Round round(sorted, all_offsets, placement, me, capacity, i, p.context);
    Tensor there = arena.tensor(DType::f32, {ranks, capacity, hidden}),
           here = arena.tensor(DType::f32, {ranks, capacity, hidden});
    moe_permute(rows_of(here), x, flat(round.sent), sorted.k(), p.context);
    p.ep.all_to_all_v(there, here, round.sent_counts);
    moe_permute(rows_of(here), rows_of(there), flat(round.grouped), 1, p.context);
    experts(rows_of(there), rows_of(here), round.row_offsets);
    moe_permute(rows_of(here), rows_of(there), flat(round.ungrouped), 1, p.context);
    p.ep.all_to_all_v(there, here, round.arrived_counts);
    moe_permute(results, rows_of(there), round.place, 1, p.context);
  }
  stats.exchanged_bytes += p.ep.traffic().all_to_all - before;
  return results;
}

// Experts that are split over ranks need all tokens on every rank.
void expert_parallel_on_all_tokens(Tensor out, Tensor x, Tensor ids, Tensor weights, const ExpertPlacement& placement,
                                   const TokenShard& shard, const ExpertFn& experts, RouterStats& stats, Parallel& p) {
  Arena& arena = p.context.workspace;
  const int64_t tokens = shard.tokens, hidden = x.dim(1), k = ids.dim(1);
  const Tensor all_x = gather_tokens(arena.tensor(DType::f32, {tokens, hidden}), x, shard, p);
  const Tensor all_ids = gather_tokens(arena.tensor(DType::i32, {tokens, k}), ids, shard, p);
  const SortedPairs sorted(all_ids, placement, p.context);
  count(stats, sorted, placement, p.context);
  const Tensor results = run_all_here(all_x, sorted, experts, p.context);
  moe_unpermute(out, results, sorted.place.slice(shard.own.begin, shard.own.end), weights, p.context);
}

}  // namespace

ExpertExchange ExpertExchange::of(const TokenShard& shard, int64_t capacity, const Parallel& p) {
  return {.replicated = shard.replicated, .most_rows = shard.rows_of(p.tp.size(), 0).size(), .capacity = capacity};
}

int64_t default_expert_capacity(int64_t max_tokens, int64_t few_tokens, int64_t k, const ExpertPlacement& placement) {
  const int64_t ranks = placement.ranks();
  const auto each = [&](int64_t tokens) { return (tokens + ranks - 1) / ranks; };
  return ranks * std::max(each(each(2 * max_tokens * k)), placement.most_pairs(each(few_tokens), k));
}

RouterStats RouterStats::of(int64_t n_experts) {
  RouterStats stats;
  stats.tokens_per_expert.resize(static_cast<size_t>(n_experts));
  stats.step.resize(static_cast<size_t>(n_experts));
  return stats;
}

void RouterStats::collect() {
  for (size_t expert = 0; expert < step.size(); ++expert) tokens_per_expert[expert] += std::exchange(step[expert], 0);
}

RouterStats& RouterStats::operator+=(const RouterStats& other) {
  tokens_per_expert.resize(std::max(tokens_per_expert.size(), other.tokens_per_expert.size()));
  for (size_t i = 0; i < other.tokens_per_expert.size(); ++i) tokens_per_expert[i] += other.tokens_per_expert[i];
  exchanged_bytes += other.exchanged_bytes;
  return *this;
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
                     const TokenShard& shard, const ExpertExchange& exchange, const ExpertFn& experts, RouterStats& stats,
                     Parallel& p) {
  WEFT_CHECK(placement.ranks() == 1 || placement.ranks() == p.ep.size(), placement.ranks(), " ranks in the placement");
  WEFT_CHECK(x.dim(0) <= exchange.most_rows, x.dim(0), " rows, ", exchange.most_rows, " announced");
  const Arena::Scope scope(p.context.workspace);
  if (placement.ranks() == 1 && !shard.replicated)
    return expert_parallel_on_all_tokens(out, x, ids, weights, placement, shard, experts, stats, p);
  const SortedPairs sorted(ids, placement, p.context);
  Tensor results;
  if (placement.ranks() > 1 && !exchange.replicated) {
    results = run_dispatched(x, sorted, placement, exchange, experts, stats, p);
  } else {
    count(stats, sorted, placement, p.context);
    results = placement.ranks() == 1 ? run_all_here(x, sorted, experts, p.context)
                                     : run_replicated(x, sorted, placement, experts, stats, p);
  }
  moe_unpermute(out, results, sorted.place, weights, p.context);
}

}  // namespace weft
