// Experts on any number of ranks give the bits of one rank, however the router behaves.
#include <gtest/gtest.h>

#include <algorithm>

#include "parallel/expert_dispatch.h"
#include "tests/parallel/rank_cases.h"
#include "tests/parallel/rank_context.h"

namespace weft {
namespace {

constexpr int64_t kHidden = 37;

struct Routing {
  int64_t tokens;
  int k, n_experts;
  std::vector<int32_t> ids;  // (tokens, k), distinct in a row
};

// hot: every token's first choice is one expert, and a third of the experts is never chosen.
Routing make_routing(int64_t tokens, int k, int n_experts, bool hot, uint32_t seed) {
  std::mt19937 random(seed);
  Routing routing{tokens, k, n_experts, {}};
  const int chosen = hot ? std::max(k, n_experts - n_experts / 3) : n_experts;
  for (int64_t t = 0; t < tokens; ++t) {
    std::vector<int32_t> experts(chosen);
    for (int e = 0; e < chosen; ++e) experts[e] = n_experts - 1 - e;
    std::shuffle(experts.begin() + (hot ? 1 : 0), experts.end(), random);
    routing.ids.insert(routing.ids.end(), experts.begin(), experts.begin() + k);
  }
  return routing;
}

// A stand-in expert whose result depends on the expert and on every bit of the row.
void run_experts(Tensor y, Tensor x, std::span<const int32_t> offsets, const std::vector<int>& global_ids) {
  ASSERT_EQ(offsets.size(), global_ids.size() + 1);
  ASSERT_EQ(offsets.front(), 0);
  ASSERT_EQ(offsets.back(), x.dim(0));
  for (size_t e = 0; e < global_ids.size(); ++e) {
    for (int64_t i = offsets[e] * kHidden; i < offsets[e + 1] * kHidden; ++i) {
      y.as<float>()[i] = x.as<float>()[i] * (1.0f / (3 + global_ids[e])) + 0.1f * global_ids[e];
      x.as<float>()[i] = NAN;  // experts may use x as scratch
    }
  }
}

Matrix run(Communicator& comm, const Routing& routing, const ExpertPlacement& placement, const TokenShard& shard,
           RouterStats& stats) {
  const Matrix x = random_matrix(routing.tokens, kHidden, 1), weights = random_matrix(routing.tokens, routing.k, 2);
  Matrix own_x = x.row_block(shard.own), own_weights = weights.row_block(shard.own), out(shard.own.size(), kHidden);
  std::vector<int32_t> ids(routing.ids.begin() + shard.own.begin * routing.k,
                           routing.ids.begin() + shard.own.end * routing.k);
  RankContext context(comm, Arithmetic::f32,
                      expert_parallel_workspace(routing.tokens, kHidden, routing.k, routing.n_experts, comm.size()));
  expert_parallel(
      out.tensor(), own_x.tensor(), Tensor(ids.data(), {shard.own.size(), routing.k}), own_weights.tensor(), placement,
      shard,
      [&](Tensor y, Tensor rows, std::span<const int32_t> offsets) {
        run_experts(y, rows, offsets, placement.experts_of[placement.ranks() == 1 ? 0 : comm.rank()]);
      },
      stats, context.parallel);
  return out;
}

// Dealt out from the last rank, like cards: nothing contiguous about it.
ExpertPlacement dealt(int n_experts, int ranks) {
  ExpertPlacement placement;
  placement.experts_of.resize(ranks);
  for (int e = 0; e < n_experts; ++e) {
    const int rank = ranks - 1 - e % ranks;
    placement.rank_of.push_back(rank);
    placement.local_index.push_back(static_cast<int>(placement.experts_of[rank].size()));
    placement.experts_of[rank].push_back(e);
  }
  return placement;
}

void check_routing(RankComm& ranks, const Routing& routing) {
  Communicator& comm = *ranks.tensors;
  RankComm alone = single_rank();
  RouterStats expected_stats;
  const Matrix expected = run(*alone.tensors, routing, ExpertPlacement::contiguous(routing.n_experts, 1, 1),
                              TokenShard::all(routing.tokens), expected_stats);
  const int ep = std::min(comm.size(), routing.n_experts);
  for (const ExpertPlacement& placement :
       {ExpertPlacement::contiguous(routing.n_experts, ep, comm.size()), dealt(routing.n_experts, comm.size()),
        ExpertPlacement::contiguous(routing.n_experts, 1, 1)}) {
    for (const bool replicated : {true, false}) {
      const TokenShard shard =
          replicated ? TokenShard::all(routing.tokens) : TokenShard::sharded(routing.tokens, comm.size(), comm.rank());
      RouterStats stats;
      const Matrix out = run(comm, routing, placement, shard, stats);
      ASSERT_TRUE(out.same_bits(expected.row_block(shard.own)))
          << routing.tokens << " tokens, k " << routing.k << ", " << routing.n_experts << " experts, replicated "
          << replicated;
      ASSERT_EQ(stats.tokens_per_expert, expected_stats.tokens_per_expert);
    }
  }
}

void experts_have_the_bits_of_one_rank(RankComm& ranks) {
  for (const int n_experts : {1, 2, 3, 8, 17}) {
    for (int k = 1; k <= std::min(4, n_experts); ++k) {
      for (const int64_t tokens : {0, 1, 2, 3, 40}) {
        check_routing(ranks, make_routing(tokens, k, n_experts, false, 3));
        check_routing(ranks, make_routing(tokens, k, n_experts, true, 4));
      }
    }
  }
}

// Real down projections: whole experts, whole experts spread over ranks, and every expert split over the
// ranks.
void split_and_whole_experts_agree(RankComm& ranks) {
  const Units units{{0, 192, 384, 600}};
  const int64_t tokens = 23, hidden = 600;
  const Routing routing = make_routing(tokens, 2, 4, false, 5);
  std::vector<Matrix> down;
  for (uint32_t e = 0; e < 4; ++e) down.push_back(random_matrix(hidden, hidden, 20 + e));
  const auto run_down = [&](Communicator& comm, const ExpertPlacement& placement, int split, const TokenShard& shard) {
    const int part = split == 1 ? 0 : comm.rank();
    const SplitSum sum = SplitSum::make(units, split, part);
    const Range columns = units.range(split_evenly(units.count(), split, part));
    std::vector<PackedMatrix> experts;
    for (const int e : placement.experts_of[placement.ranks() == 1 ? 0 : comm.rank()]) {
      experts.push_back(down[e].block({0, hidden}, columns).packed());
    }
    Matrix x = random_matrix(tokens, hidden, 6).row_block(shard.own), out(shard.own.size(), hidden);
    Matrix weights = random_matrix(tokens, 2, 7).row_block(shard.own);
    std::vector<int32_t> ids(routing.ids.begin() + shard.own.begin * 2, routing.ids.begin() + shard.own.end * 2);
    RankContext context(comm, Arithmetic::f32,
                        expert_parallel_workspace(tokens, hidden, 2, 4, comm.size()) +
                            row_parallel_workspace(sum, tokens * 2, hidden, columns.size(), Arithmetic::f32, 1));
    RouterStats stats;
    expert_parallel(
        out.tensor(), x.tensor(), Tensor(ids.data(), {shard.own.size(), 2}), weights.tensor(), placement, shard,
        [&](Tensor y, Tensor rows, std::span<const int32_t> offsets) {
          Matrix all(rows.dim(0), hidden);
          if (rows.dim(0) > 0) std::memcpy(all.values.data(), rows.data, rows.bytes());
          Matrix own = all.block({0, all.rows}, columns);
          grouped_row_parallel(y, own.tensor(), experts, offsets, sum, context.parallel);
        },
        stats, context.parallel);
    return out;
  };
  RankComm alone = single_rank();
  Communicator& comm = *ranks.tensors;
  const ExpertPlacement everywhere = ExpertPlacement::contiguous(4, 1, 1);
  const ExpertPlacement spread = ExpertPlacement::contiguous(4, std::min(4, comm.size()), comm.size());
  const Matrix expected = run_down(*alone.tensors, everywhere, 1, TokenShard::all(tokens));
  for (const TokenShard& shard : {TokenShard::all(tokens), TokenShard::sharded(tokens, comm.size(), comm.rank())}) {
    EXPECT_TRUE(run_down(comm, everywhere, comm.size(), shard).same_bits(expected.row_block(shard.own)));
    EXPECT_TRUE(run_down(comm, spread, 1, shard).same_bits(expected.row_block(shard.own)));
  }
}

void dispatch_moves_only_foreign_pairs(RankComm& ranks) {
  Communicator& comm = *ranks.tensors;
  const Routing routing = make_routing(40, 2, 8, true, 9);
  const ExpertPlacement placement = ExpertPlacement::contiguous(8, std::min(8, comm.size()), comm.size());
  const TokenShard shard = TokenShard::sharded(40, comm.size(), comm.rank());
  int64_t sent = 0, returned = 0;  // pairs
  for (int64_t pair = 0; pair < 80; ++pair) {
    const bool own_token = shard.own.begin <= pair / 2 && pair / 2 < shard.own.end;
    const bool own_expert = placement.rank_of[routing.ids[pair]] == comm.rank();
    sent += own_token && !own_expert;
    returned += own_expert && !own_token;
  }
  const int64_t before = comm.traffic().all_to_all;
  RouterStats stats;
  run(comm, routing, placement, shard, stats);
  EXPECT_EQ(comm.traffic().all_to_all - before, (sent + returned) * kHidden * 4);
  EXPECT_EQ(stats.hottest_share(), 0.5);  // the hot expert: one of each token's two choices
}

}  // namespace

std::vector<RankCase> expert_cases() {
  return {{"experts_have_the_bits_of_one_rank", experts_have_the_bits_of_one_rank},
          {"split_and_whole_experts_agree", split_and_whole_experts_agree},
          {"dispatch_moves_only_foreign_pairs", dispatch_moves_only_foreign_pairs}};
}

}  // namespace weft
