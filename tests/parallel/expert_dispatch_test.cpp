#include "parallel/expert_dispatch.h"

#include <gtest/gtest.h>

#include "kernels/core/check.h"

namespace weft {
namespace {

TEST(ExpertPlacement, ContiguousCoversEveryExpertOnce) {
  for (int n = 1; n <= 64; ++n) {
    for (int ranks = 1; ranks <= 12; ++ranks) {
      for (int ep = 1; ep <= std::min(n, ranks); ++ep) {
        const ExpertPlacement placement = ExpertPlacement::contiguous(n, ep, ranks);
        ASSERT_EQ(placement.n_experts(), n);
        ASSERT_EQ(placement.ranks(), ranks);
        for (int e = 0; e < n; ++e) {
          ASSERT_EQ(placement.ranks_of(e).size(), 1u);
          const int holder = placement.ranks_of(e)[0], instance = placement.instances().as<int32_t>()[e];
          ASSERT_LT(holder, ep);
          ASSERT_EQ(placement.experts_of(holder)[static_cast<size_t>(instance - placement.first_instance(holder))], e);
        }
        for (int rank = ep; rank < ranks; ++rank) ASSERT_TRUE(placement.experts_of(rank).empty());
      }
    }
  }
  EXPECT_THROW(ExpertPlacement::contiguous(2, 3, 3), CheckError);
}

TEST(ExpertPlacement, ReplicasAreNumberedRankByRank) {
  const ExpertPlacement placement({{1, 0}, {2}, {0, 1, 2}}, 4);
  EXPECT_EQ(placement.experts_of(0), (std::vector<int>{0, 2}));
  EXPECT_EQ(placement.experts_of(2), (std::vector<int>{1, 2}));
  EXPECT_TRUE(placement.experts_of(3).empty());
  const auto values = [](Tensor t) { return std::vector<int32_t>(t.as<int32_t>(), t.as<int32_t>() + t.elements()); };
  EXPECT_EQ(values(placement.first_of_rank()), (std::vector<int32_t>{0, 2, 4, 6, 6}));
  EXPECT_EQ(values(placement.instances()), (std::vector<int32_t>{0, 2, -1, 4, -1, -1, 1, 3, 5}));
  EXPECT_EQ(placement.most_pairs(10, 1), 10);
  EXPECT_EQ(placement.most_pairs(10, 5), 20);
  EXPECT_THROW(ExpertPlacement({{0}, {}}, 2), CheckError);
  EXPECT_THROW(ExpertPlacement({{0, 0}}, 2), CheckError);
  EXPECT_THROW(ExpertPlacement({{2}}, 2), CheckError);
}

TEST(ExpertCapacity, HoldsTwiceAnEvenShareAndEveryFewTokens) {
  const ExpertPlacement four = ExpertPlacement::contiguous(8, 4, 4);
  EXPECT_EQ(default_expert_capacity(1024, 8, 2, four), 1024);     // 2 * 1024 * 2 / 4
  EXPECT_EQ(default_expert_capacity(1024, 1024, 2, four), 2048);  // all of them to one rank
  EXPECT_EQ(default_expert_capacity(1024, 8, 2, ExpertPlacement::contiguous(8, 1, 1)), 4096);
}

TEST(RouterStats, EntropyAndHottestShare) {
  EXPECT_EQ(RouterStats{}.entropy(), 0);
  EXPECT_EQ(RouterStats{}.hottest_share(), 0);
  EXPECT_EQ((RouterStats{{5, 5, 5, 5}, 0, {}}.entropy()), 2);
  EXPECT_EQ((RouterStats{{0, 7, 0}, 0, {}}.entropy()), 0);
  EXPECT_EQ((RouterStats{{1, 3, 0}, 0, {}}.hottest_share()), 0.75);
  RouterStats sum;
  for (int i = 0; i < 2; ++i) sum += {{1, 3, 0}, 5, {}};
  EXPECT_EQ(sum.tokens_per_expert, (std::vector<int64_t>{2, 6, 0}));
  EXPECT_EQ(sum.exchanged_bytes, 10);
}

}  // namespace
}  // namespace weft
