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
    ASSERT_EQ(units.begin(0), 0);
    ASSERT_EQ(units.size(), size);
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
  const Units units = Units::even(9, 64);
  EXPECT_EQ(units.count(), 9);
  EXPECT_EQ(units.range({2, 4}), (Range{128, 256}));
}

}  // namespace
}  // namespace weft
