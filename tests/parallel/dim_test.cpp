#include "parallel/dim.h"

#include <gtest/gtest.h>

#include "kernels/core/check.h"

namespace weft {
namespace {

Dim query_heads(int64_t n, int ranks, int rank) {
  return {.share = Dim::Share::split, .units = Units::even(n), .ranks = ranks, .rank = rank};
}

Dim kv_heads(int64_t n, const Dim& q) {
  return {.share = Dim::Share::serving,
          .units = Units::even(n),
          .readers = q.units.count() / n,
          .ranks = q.ranks,
          .rank = q.rank};
}

TEST(Dim, EveryQueryHeadReadsItsOwnKvHead) {
  for (int64_t n_kv_heads = 1; n_kv_heads <= 64; ++n_kv_heads) {
    for (int64_t share = 1; share * n_kv_heads <= 64; ++share) {
      for (int ranks = 1; ranks <= 64; ++ranks) {
        for (int rank = 0; rank < ranks; ++rank) {
          const Dim q = query_heads(share * n_kv_heads, ranks, rank), kv = kv_heads(n_kv_heads, q);
          ASSERT_EQ(q.own(), split_evenly(share * n_kv_heads, ranks, rank));
          int next_head = 0, next_kv = 0;
          for (const HeadGroup& group : head_groups(q, kv)) {
            ASSERT_EQ(group.q_begin, next_head);
            ASSERT_EQ(group.kv_head, next_kv++);
            ASSERT_LT(group.q_begin, group.q_end);
            for (int head = group.q_begin; head < group.q_end; ++head)
              ASSERT_EQ(kv.own().begin + group.kv_head, (q.own().begin + head) / share);
            next_head = group.q_end;
          }
          ASSERT_EQ(next_head, q.n());
          ASSERT_EQ(next_kv, kv.n());
        }
      }
    }
  }
}

TEST(Dim, SmolLm2OnTwoRanksSharesTheMiddleKvHead) {
  const Dim q = query_heads(9, 2, 1), kv = kv_heads(3, q);
  EXPECT_EQ(kv.held(0), (Range{0, 2}));
  EXPECT_EQ(kv.held(1), (Range{1, 3}));
  const std::vector<HeadGroup> groups = head_groups(q, kv);
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].q_end, 1);
}

TEST(Dim, HeadsOfElements) {
  const Dim q = query_heads(9, 2, 1).times(64);
  EXPECT_EQ(q.size(), 576);
  EXPECT_EQ(q.own(), (Range{320, 576}));
  const SplitSum sum = q.sum();
  EXPECT_EQ(sum.ranks(), 2);
  EXPECT_EQ(sum.plan.steps.size(), 4u);  // one a head
}

TEST(Dim, WhatEveryRankHoldsIsSummedAtHome) {
  const Dim whole{.units = Units::mlp(1000), .ranks = 3, .rank = 2};
  EXPECT_EQ(whole.own(), (Range{0, 1000}));
  EXPECT_EQ(whole.sum().ranks(), 1);
  EXPECT_EQ(whole.sum().plan.steps.size(), static_cast<size_t>(Units::mlp(1000).count()));
  EXPECT_THROW(kv_heads(3, query_heads(9, 2, 1)).sum(), CheckError);
}

}  // namespace
}  // namespace weft
