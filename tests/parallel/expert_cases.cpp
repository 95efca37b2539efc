// Experts on any number of ranks give the bits of one rank, however the router behaves.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

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
void run_experts(Tensor y, Tensor x, Tensor offsets, const std::vector<int>& global_ids) {
  ASSERT_EQ(offsets.dim(0), std::ssize(global_ids) + 1);
  const int32_t* offset = offsets.as<int32_t>();
  ASSERT_EQ(offset[0], 0);
  ASSERT_LE(offset[global_ids.size()], x.dim(0));
  for (size_t e = 0; e < global_ids.size(); ++e) {
    for (int64_t i = offset[e] * kHidden; i < offset[e + 1] * kHidden; ++i) {
      y.as<float>()[i] = x.as<float>()[i] * (1.0f / (3 + global_ids[e])) + 0.1f * global_ids[e];
      x.as<float>()[i] = NAN;  // experts may use x as scratch
    }
  }
}

// What a rank computes of its rows of `routing`, and in how many rounds.
struct Ran {
  Matrix out;
  RouterStats stats;
  int rounds = 0;
};

Ran run(Communicator& comm, const Routing& routing, const ExpertPlacement& placement, const TokenShard& shard,
        const ExpertExchange& exchange) {
  const Range own = shard.own;
  Matrix x = random_matrix(routing.tokens, kHidden, 1).row_block(own),
         weights = random_matrix(routing.tokens, routing.k, 2).row_block(own);
  std::vector<int32_t> ids(routing.ids.begin() + own.begin * routing.k, routing.ids.begin() + own.end * routing.k);
  Ran ran{Matrix(own.size(), kHidden), RouterStats::of(routing.n_experts)};
  const auto once = [&](Parallel& p, const ExpertFn& experts) {
    expert_parallel(ran.out.tensor(), x.tensor(), Tensor(ids.data(), {own.size(), routing.k}), weights.tensor(), placement,
                    shard, exchange, experts, ran.stats, p);
  };
  const int64_t dry =
      RankContext::measure(comm, Arithmetic::f32, [&](Parallel& p) { once(p, [](Tensor, Tensor, Tensor) {}); });
  RankContext context(comm, Arithmetic::f32, dry);
  once(context.parallel, [&](Tensor y, Tensor rows, Tensor offsets) {
    ++ran.rounds;
    run_experts(y, rows, offsets, placement.experts_of(comm.rank()));
  });
  EXPECT_EQ(context.peak(), dry);  // whatever the router chose
  ran.stats.collect();
  return ran;
}

Ran run_alone(const Routing& routing) {
  RankComm alone = single_rank();
  return run(*alone.tensors, routing, ExpertPlacement::contiguous(routing.n_experts, 1, 1), TokenShard::all(routing.tokens),
             {.most_rows = routing.tokens});
}

// Dealt out from the last rank, like cards: nothing contiguous about it.
ExpertPlacement dealt(int n_experts, int ranks) {
  std::vector<std::vector<int>> ranks_of;
  for (int e = 0; e < n_experts; ++e) ranks_of.push_back({ranks - 1 - e % ranks});
  return {ranks_of, ranks};
}

// The first expert on every rank, the others on one or two.
ExpertPlacement with_replicas(int n_experts, int ranks) {
  std::vector<std::vector<int>> ranks_of(static_cast<size_t>(n_experts));
  for (int rank = 0; rank < ranks; ++rank) ranks_of[0].push_back(rank);
  for (int e = 1; e < n_experts; ++e) {
    ranks_of[static_cast<size_t>(e)] = {e % ranks};
    if (e % 2 && ranks > 1) ranks_of[static_cast<size_t>(e)].push_back((e + 1) % ranks);
  }
  return {ranks_of, ranks};
}

void check_routing(RankComm& ranks, const Routing& routing) {
  Communicator& comm = *ranks.tensors;
  const Ran expected = run_alone(routing);
  const int ep = std::min(comm.size(), routing.n_experts);
  for (const ExpertPlacement& placement :
       {ExpertPlacement::contiguous(routing.n_experts, ep, comm.size()), dealt(routing.n_experts, comm.size()),
        with_replicas(routing.n_experts, comm.size()), ExpertPlacement::contiguous(routing.n_experts, 1, 1)}) {
    for (const bool replicated : {true, false}) {
      const TokenShard shard =
          replicated ? TokenShard::all(routing.tokens) : TokenShard::sharded(routing.tokens, comm.size(), comm.rank());
      const Ran ran =
          run(comm, routing, placement, shard,
              {.replicated = replicated, .most_rows = shard.rows_of(comm.size(), 0).size(), .capacity = 1 << 20});
      ASSERT_TRUE(ran.out.same_bits(expected.out.row_block(shard.own)))
          << routing.tokens << " tokens, k " << routing.k << ", " << routing.n_experts << " experts, replicated "
          << replicated;
      ASSERT_EQ(ran.stats.tokens_per_expert, expected.stats.tokens_per_expert);
      ASSERT_EQ(ran.rounds, 1);
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

// A hot expert's rank gets rows of every token: the less room, the more rounds, and the same bits.
void rounds_do_not_change_bits(RankComm& ranks) {
  Communicator& comm = *ranks.tensors;
  const int n = comm.size();
  for (const bool hot : {true, false}) {
    const Routing routing = make_routing(40, 3, 8, hot, 11);
    const Ran expected = run_alone(routing);
    const TokenShard shard = TokenShard::sharded(40, n, comm.rank());
    const int64_t most_rows = shard.rows_of(n, 0).size();
    for (const ExpertPlacement& placement :
         {ExpertPlacement::contiguous(8, std::min(8, n), n), dealt(8, n), with_replicas(8, n)}) {
      int64_t last_memory = 0, least_memory = 0;
      for (const int64_t of_a_sender : {int64_t{1}, most_rows / 5, most_rows / 2, most_rows, 3 * most_rows}) {
        const ExpertExchange exchange{.replicated = false, .most_rows = most_rows, .capacity = of_a_sender * n};
        const Ran ran = run(comm, routing, placement, shard, exchange);
        ASSERT_TRUE(ran.out.same_bits(expected.out.row_block(shard.own)))
            << n << " ranks, " << of_a_sender << " rows of a sender";
        ASSERT_EQ(ran.stats.tokens_per_expert, expected.stats.tokens_per_expert);
        if (of_a_sender == 1 && n > 1) EXPECT_GT(ran.rounds, 5);
        if (of_a_sender == 3 * most_rows) EXPECT_EQ(ran.rounds, 1);
        const int64_t memory = RankContext::measure(comm, Arithmetic::f32, [&](Parallel& p) {
          RouterStats stats = RouterStats::of(8);
          const auto tensor = [&](DType type, int64_t columns) {
            return Tensor(nullptr, type, {shard.own.size(), columns});
          };
          expert_parallel(
              tensor(DType::f32, kHidden), tensor(DType::f32, kHidden), tensor(DType::i32, 3), tensor(DType::f32, 3),
              placement, shard, exchange, [](Tensor, Tensor, Tensor) {}, stats, p);
        });
        EXPECT_GE(memory, last_memory);
        if (of_a_sender == 3 * most_rows && n > 1) EXPECT_GT(memory, 2 * least_memory);
        if (of_a_sender == 1) least_memory = memory;
        last_memory = memory;
      }
    }
  }
}

// Data-parallel groups: each rank has tokens of its own, as many as it likes; ranks without any join, for others' tokens.
void ranks_may_have_unlike_rows(RankComm& ranks) {
  Communicator& comm = *ranks.tensors;
  const int n = comm.size();
  const Routing routing = make_routing(40, 2, 8, true, 12);
  const Ran expected = run_alone(routing);
  std::mt19937 random(13);
  for (int round = 0; round < 20; ++round) {
    std::vector<int64_t> bounds(static_cast<size_t>(n + 1), 0);
    for (int64_t& bound : bounds)
      bound = round < n ? (&bound - bounds.data() > round ? 40 : 0) : static_cast<int64_t>(random() % 41);
    bounds.front() = 0, bounds.back() = 40;
    std::sort(bounds.begin(), bounds.end());
    int64_t most = 0;
    for (int r = 0; r < n; ++r) most = std::max(most, bounds[static_cast<size_t>(r + 1)] - bounds[static_cast<size_t>(r)]);
    const size_t me = static_cast<size_t>(comm.rank());
    const TokenShard own{.tokens = 40, .own = {bounds[me], bounds[me + 1]}, .replicated = false};
    for (const int64_t capacity : {7 * n, 1 << 20}) {
      const Ran ran = run(comm, routing, ExpertPlacement::contiguous(8, std::min(8, n), n), own,
                          {.replicated = false, .most_rows = most + round % 2, .capacity = capacity});
      ASSERT_TRUE(ran.out.same_bits(expected.out.row_block(own.own))) << "round " << round;
      ASSERT_EQ(ran.stats.tokens_per_expert, expected.stats.tokens_per_expert);
    }
  }
}

// A row of padding (id -1) goes nowhere, is not counted, and gives 0.
void padding_is_routed_nowhere(RankComm& ranks) {
  Communicator& comm = *ranks.tensors;
  Routing routing = make_routing(40, 2, 8, false, 14);
  const Ran whole = run_alone(routing);
  for (const int64_t row : {0, 7, 39})
    routing.ids[static_cast<size_t>(2 * row)] = routing.ids[static_cast<size_t>(2 * row + 1)] = -1;
  Matrix expected = whole.out;
  for (const int64_t row : {0, 7, 39}) std::fill_n(&expected.values[static_cast<size_t>(row * kHidden)], kHidden, 0.0f);
  for (const TokenShard& shard : {TokenShard::all(40), TokenShard::sharded(40, comm.size(), comm.rank())}) {
    const Ran ran = run(comm, routing, ExpertPlacement::contiguous(8, std::min(8, comm.size()), comm.size()), shard,
                        {.replicated = shard.replicated, .most_rows = 40, .capacity = 16});
    EXPECT_TRUE(ran.out.same_bits(expected.row_block(shard.own)));
    EXPECT_EQ(std::accumulate(ran.stats.tokens_per_expert.begin(), ran.stats.tokens_per_expert.end(), int64_t{0}), 74);
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
    for (const int e : placement.experts_of(comm.rank())) {
      experts.push_back(down[e].block({0, hidden}, columns).packed());
    }
    Matrix x = random_matrix(tokens, hidden, 6).row_block(shard.own), out(shard.own.size(), hidden);
    Matrix weights = random_matrix(tokens, 2, 7).row_block(shard.own);
    std::vector<int32_t> ids(routing.ids.begin() + shard.own.begin * 2, routing.ids.begin() + shard.own.end * 2);
    RouterStats stats = RouterStats::of(4);
    const ExpertExchange exchange{.replicated = shard.replicated, .most_rows = tokens, .capacity = 1 << 20};
    RankContext context(comm, Arithmetic::f32, 64 << 20);
    expert_parallel(
        out.tensor(), x.tensor(), Tensor(ids.data(), {shard.own.size(), 2}), weights.tensor(), placement, shard, exchange,
        [&](Tensor y, Tensor rows, Tensor offsets) {
          Matrix all(rows.dim(0), hidden);
          if (rows.dim(0) > 0) std::memcpy(all.values.data(), rows.data, static_cast<size_t>(rows.bytes()));
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
    const bool own_expert = placement.ranks_of(routing.ids[pair])[0] == comm.rank();
    sent += own_token && !own_expert;
    returned += own_expert && !own_token;
  }
  const int64_t before = comm.traffic().all_to_all;
  const RouterStats stats =
      run(comm, routing, placement, shard, {.replicated = false, .most_rows = 40, .capacity = 24}).stats;
  EXPECT_EQ(comm.traffic().all_to_all - before, (sent + returned) * kHidden * 4);
  EXPECT_EQ(stats.exchanged_bytes, (sent + returned) * kHidden * 4);
  EXPECT_EQ(stats.hottest_share(), 0.5);  // the hot expert: one of each token's two choices
}

}  // namespace

std::vector<RankCase> expert_cases() {
  return {{"experts_have_the_bits_of_one_rank", experts_have_the_bits_of_one_rank},
          {"rounds_do_not_change_bits", rounds_do_not_change_bits},
          {"ranks_may_have_unlike_rows", ranks_may_have_unlike_rows},
          {"padding_is_routed_nowhere", padding_is_routed_nowhere},
          {"split_and_whole_experts_agree", split_and_whole_experts_agree},
          {"dispatch_moves_only_foreign_pairs", dispatch_moves_only_foreign_pairs}};
}

}  // namespace weft
