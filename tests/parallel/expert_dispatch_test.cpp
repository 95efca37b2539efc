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
          ASSERT_LT(placement.rank_of[e], ep);
          ASSERT_EQ(placement.experts_of[placement.rank_of[e]][placement.local_index[e]], e);
        }
        for (int rank = ep; rank < ranks; ++rank) ASSERT_TRUE(placement.experts_of[rank].empty());
      }
    }
  }
  EXPECT_THROW(ExpertPlacement::contiguous(2, 3, 3), CheckError);
}

TEST(RouterStats, EntropyAndHottestShare) {
  EXPECT_EQ(RouterStats{}.entropy(), 0);
  EXPECT_EQ(RouterStats{}.hottest_share(), 0);
  EXPECT_EQ((RouterStats{{5, 5, 5, 5}}.entropy()), 2);
  EXPECT_EQ((RouterStats{{0, 7, 0}}.entropy()), 0);
  EXPECT_EQ((RouterStats{{1, 3, 0}}.hottest_share()), 0.75);
}

}  // namespace
}  // namespace weft
