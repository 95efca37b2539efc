#include "parallel/shard.h"

#include <gtest/gtest.h>

#include "kernels/core/check.h"

namespace weft {
namespace {

TEST(SplitEvenly, CoversWithoutOverlapAsEvenlyAsPossible) {
  for (int64_t n = 0; n <= 64; ++n) {
    for (int parts = 1; parts <= 64; ++parts) {
      int64_t next = 0;
      for (int part = 0; part < parts; ++part) {
        const Range range = split_evenly(n, parts, part);
        ASSERT_EQ(range.begin, next);
        ASSERT_EQ(range.size(), n / parts + (part < n % parts));
        next = range.end;
      }
      ASSERT_EQ(next, n);
    }
  }
  EXPECT_EQ(split_evenly(9, 2, 0), (Range{0, 5}));
  EXPECT_THROW(split_evenly(4, 2, 2), CheckError);
}

TEST(Units, MlpSlicesAreWideFewAndAligned) {
  for (int64_t size = 1; size < 20000; size += size < 2000 ? 1 : 37) {
    const Units units = Units::mlp(size);
    ASSERT_EQ(units.bounds.front(), 0);
    ASSERT_EQ(units.bounds.back(), size);
    ASSERT_GE(units.count(), 1);
    ASSERT_LE(units.count(), 64);
    int64_t narrowest = size, widest = 0;
    for (int64_t u = 0; u < units.count(); ++u) {
      const int64_t width = units.range({u, u + 1}).size();
      narrowest = std::min(narrowest, width);
      widest = std::max(widest, width);
      if (u + 1 < units.count()) {
        ASSERT_EQ(width % 32, 0) << size;
      }
    }
    ASSERT_GE(narrowest, std::min<int64_t>(size, 192)) << size;
    ASSERT_LT(widest - narrowest, 64) << size;
  }
  EXPECT_EQ(Units::mlp(1536).count(), 8);
}

TEST(Units, OneAHead) {
  const Units units = Units::heads(9, 64);
  EXPECT_EQ(units.count(), 9);
  EXPECT_EQ(units.range({2, 4}), (Range{128, 256}));
}

TEST(ShardHeads, EveryQueryHeadReadsItsOwnKvHead) {
  for (int n_kv_heads = 1; n_kv_heads <= 64; ++n_kv_heads) {
    for (int share = 1; share * n_kv_heads <= 64; ++share) {
      const int n_heads = share * n_kv_heads;
      for (int parts = 1; parts <= 64; ++parts) {
        for (int part = 0; part < parts; ++part) {
          const HeadShard shard = shard_heads(n_heads, n_kv_heads, parts, part);
          ASSERT_EQ(shard.q, split_evenly(n_heads, parts, part));
          int next_head = 0, next_kv = 0;
          for (const HeadGroup& group : shard.groups) {
            ASSERT_EQ(group.q_begin, next_head);
            ASSERT_EQ(group.kv_head, next_kv++);
            ASSERT_LT(group.q_begin, group.q_end);
            for (int head = group.q_begin; head < group.q_end; ++head) {
              ASSERT_EQ(shard.kv.begin + group.kv_head, (shard.q.begin + head) / share);
            }
            next_head = group.q_end;
          }
          ASSERT_EQ(next_head, shard.q.size());
          ASSERT_EQ(next_kv, shard.kv.size());
        }
      }
    }
  }
}

TEST(ShardHeads, SmolLm2OnTwoRanksSharesTheMiddleKvHead) {
  const HeadShard left = shard_heads(9, 3, 2, 0), right = shard_heads(9, 3, 2, 1);
  EXPECT_EQ(left.kv, (Range{0, 2}));
  EXPECT_EQ(right.kv, (Range{1, 3}));
  ASSERT_EQ(right.groups.size(), 2u);
  EXPECT_EQ(right.groups[0].q_end, 1);
}

}  // namespace
}  // namespace weft
