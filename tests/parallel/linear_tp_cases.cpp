// Every result must have the bits that one rank computes alone.
#include <gtest/gtest.h>

#include "parallel/dim.h"
#include "parallel/linear_tp.h"
#include "tests/parallel/rank_cases.h"
#include "tests/parallel/rank_context.h"

namespace weft {
namespace {

std::vector<TokenShard> both_forms(int64_t tokens, Communicator& comm) {
  return {TokenShard::all(tokens), TokenShard::sharded(tokens, comm.size(), comm.rank())};
}

// This rank's own rows of x w^T + bias.
Matrix run_row_parallel(Communicator& comm, const Matrix& x, const Matrix& w, const Units& units,
                        const std::vector<float>& bias, const TokenShard& shard, Arithmetic a) {
  const SplitSum sum = SplitSum::make(units, comm.size(), comm.rank());
  const Range columns = units.range(split_evenly(units.count(), comm.size(), comm.rank()));
  const PackedMatrix packed = columns.size() > 0 ? w.block({0, w.rows}, columns).packed() : PackedMatrix();
  Matrix own = x.block({0, x.rows}, columns);
  Matrix out(shard.own.size(), w.rows);
  const Tensor to_add = bias.empty() ? Tensor() : Tensor(const_cast<float*>(bias.data()), {w.rows});
  const auto run = [&](Parallel& p) { row_parallel(out.tensor(), own.tensor(), packed, sum, to_add, shard, p); };
  RankContext context(comm, a, RankContext::measure(comm, a, run, 2), 2);
  run(context.parallel);
  return out;
}

void check_row_parallel(RankComm& ranks, const Units& units, int64_t tokens, bool with_bias, Arithmetic a) {
  const int64_t k = units.size(), n = 45;
  const Matrix x = random_matrix(tokens, k, 1), w = random_matrix(n, k, 2);
  const std::vector<float> bias = with_bias ? random_matrix(1, n, 3).values : std::vector<float>{};
  RankComm alone = single_rank();
  const Matrix expected = run_row_parallel(*alone.tensors, x, w, units, bias, TokenShard::all(tokens), a);
  for (const TokenShard& shard : both_forms(tokens, *ranks.tensors)) {
    const Matrix out = run_row_parallel(*ranks.tensors, x, w, units, bias, shard, a);
    ASSERT_TRUE(out.same_bits(expected.row_block(shard.own)))
        << units.count() << " units, " << tokens << " tokens, replicated " << shard.replicated << ", " << name(a);
  }
}

void row_parallel_has_the_bits_of_one_rank(RankComm& ranks) {
  const Units slices{{0, 192, 384, 600}}, one{{0, 70}};
  for (const int64_t tokens : {1, 2, 3, 7, 33}) {
    check_row_parallel(ranks, Units::even(9, 16), tokens, false, Arithmetic::f32);
    check_row_parallel(ranks, slices, tokens, true, Arithmetic::f32);
    check_row_parallel(ranks, one, tokens, true, Arithmetic::f32);  // most ranks own nothing
  }
  for (const Arithmetic a : {Arithmetic::bf16, Arithmetic::q8}) {
    check_row_parallel(ranks, Units::even(9, 16), 5, true, a);
    check_row_parallel(ranks, slices, 5, false, a);
  }
}

void tokens_are_gathered(RankComm& ranks) {
  Communicator& comm = *ranks.tensors;
  RankContext context(comm, Arithmetic::f32, 0);
  for (const int64_t tokens : {0, 1, 3, 20}) {
    for (const TokenShard& shard : both_forms(tokens, comm)) {
      const Matrix x = random_matrix(tokens, 13, 4);
      Matrix own = x.row_block(shard.own), all(tokens, 13);
      const Tensor result = gather_tokens(all.tensor(), own.tensor(), shard, context.parallel);
      ASSERT_EQ(result.dim(0), tokens);
      if (tokens == 0) continue;
      EXPECT_EQ(result.data, shard.replicated ? own.tensor().data : all.tensor().data);
      EXPECT_EQ(std::memcmp(result.data, x.values.data(), x.values.size() * 4), 0);
    }
  }
}

void embedding_rows_come_from_their_owners(RankComm& ranks) {
  Communicator& comm = *ranks.tensors;
  const int64_t vocab = 101, hidden = 18;
  const Matrix table = random_matrix(vocab, hidden, 5);
  const Dim rows{.share = Dim::Share::split, .units = Units::even(vocab), .ranks = comm.size(), .rank = comm.rank()};
  const PackedMatrix held = table.row_block(rows.own()).packed();
  std::mt19937 random(6);
  for (const int64_t tokens : {0, 1, 2, 5, 40}) {
    for (int round = 0; round < 20; ++round) {
      const uint32_t few = round % 2 ? vocab : 1 + random() % 3;  // now and then all from one owner
      std::vector<int32_t> ids(tokens);
      for (int32_t& id : ids) id = static_cast<int32_t>(vocab - 1 - random() % few);
      for (const TokenShard& shard : both_forms(tokens, comm)) {
        Matrix out(shard.own.size(), hidden);
        const auto run = [&](Parallel& p) {
          vocab_embed(out.tensor(), Tensor(ids.data(), {tokens}), held, rows.own(), rows.sum_of_ranks(), shard, p);
        };
        RankContext context(comm, Arithmetic::f32, RankContext::measure(comm, Arithmetic::f32, run));
        run(context.parallel);
        for (int64_t row = 0; row < out.rows; ++row) {
          for (int64_t i = 0; i < hidden; ++i) {
            const float expected = 0.0f + table.values[ids[shard.own.begin + row] * hidden + i];
            ASSERT_EQ(std::memcmp(&out.values[row * hidden + i], &expected, 4), 0);
          }
        }
      }
    }
  }
}

void split_experts_have_the_bits_of_whole_ones(RankComm& ranks) {
  const Units units = Units::mlp(1000);
  const int64_t n = 21, pairs = 17;
  std::vector<int32_t> offsets{0, 6, 6, 16, 17};
  const Matrix x = random_matrix(pairs, 1000, 9);
  const auto run = [&](Communicator& comm, int split) {
    const Range columns = units.range(split_evenly(units.count(), split, split == 1 ? 0 : comm.rank()));
    const SplitSum sum = SplitSum::make(units, split, split == 1 ? 0 : comm.rank());
    std::vector<PackedMatrix> experts;
    for (uint32_t e = 0; e < 4; ++e) experts.push_back(random_matrix(n, 1000, 10 + e).block({0, n}, columns).packed());
    Matrix own = x.block({0, pairs}, columns), out(pairs, n);
    const auto call = [&](Parallel& p) {
      grouped_row_parallel(out.tensor(), own.tensor(), experts, Tensor(offsets.data(), {5}), sum, p);
    };
    RankContext context(comm, Arithmetic::f32, RankContext::measure(comm, Arithmetic::f32, call));
    call(context.parallel);
    return out;
  };
  const Matrix whole = run(*ranks.tensors, 1);  // no exchange, though there are many ranks
  EXPECT_TRUE(run(*ranks.tensors, ranks.tensors->size()).same_bits(whole));
}

void reduction_traffic_is_what_the_plan_says(RankComm& ranks) {
  Communicator& comm = *ranks.tensors;
  const Units units = Units::even(9, 16);
  const SplitSum sum = SplitSum::make(units, comm.size(), comm.rank());
  const Matrix x = random_matrix(10, 144, 1), w = random_matrix(30, 144, 2);
  for (const TokenShard& shard : both_forms(10, comm)) {
    const Communicator::Traffic before = comm.traffic();
    run_row_parallel(comm, x, w, units, {}, shard, Arithmetic::f32);
    const int64_t row_bytes = sum.plan.outputs * 30 * 4, others = comm.size() - 1;
    const bool exchanged = comm.size() > 1;
    EXPECT_EQ(comm.traffic().all_gather - before.all_gather, shard.replicated ? 10 * row_bytes * others : 0);
    EXPECT_EQ(comm.traffic().all_to_all - before.all_to_all,
              shard.replicated || !exchanged ? 0 : (10 - shard.own.size()) * row_bytes);
  }
}

}  // namespace

std::vector<RankCase> linear_tp_cases() {
  return {{"row_parallel_has_the_bits_of_one_rank", row_parallel_has_the_bits_of_one_rank},
          {"tokens_are_gathered", tokens_are_gathered},
          {"embedding_rows_come_from_their_owners", embedding_rows_come_from_their_owners},
          {"split_experts_have_the_bits_of_whole_ones", split_experts_have_the_bits_of_whole_ones},
          {"reduction_traffic_is_what_the_plan_says", reduction_traffic_is_what_the_plan_says}};
}

}  // namespace weft
