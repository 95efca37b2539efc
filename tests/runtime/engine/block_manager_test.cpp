#include "runtime/engine/block_manager.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "kernels/core/check.h"

namespace weft {
namespace {

std::vector<int32_t> ids(std::initializer_list<int32_t> v) { return v; }

TEST(BlockManager, CountsBlocksForPositions) {
  const BlockManager blocks(4, 16);
  EXPECT_EQ(blocks.blocks_for(0), 0);
  EXPECT_EQ(blocks.blocks_for(1), 1);
  EXPECT_EQ(blocks.blocks_for(16), 1);
  EXPECT_EQ(blocks.blocks_for(17), 2);
}

TEST(BlockManager, HandsOutEveryBlockOnceAndThenRefuses) {
  BlockManager blocks(3, 16);
  std::vector<int32_t> held = {blocks.allocate(), blocks.allocate(), blocks.allocate()};
  blocks.check_integrity(held);
  std::sort(held.begin(), held.end());
  EXPECT_EQ(held, ids({0, 1, 2}));
  EXPECT_EQ(blocks.free(), 0);
  EXPECT_THROW(blocks.allocate(), CheckError);
}

TEST(BlockManager, ReleasingTwiceIsAnError) {
  BlockManager blocks(2, 16);
  const int32_t block = blocks.allocate();
  blocks.release(block);
  EXPECT_THROW(blocks.release(block), CheckError);
}

TEST(BlockManager, EmptyBlocksAreReusedBeforeUntouchedOnes) {
  BlockManager blocks(100, 16);
  const int32_t block = blocks.allocate();
  blocks.release(block);
  EXPECT_EQ(blocks.allocate(), block);
}

// Every entry of the index in one bucket, as an attacker would have it.
size_t collide(const BlockKey&) { return 7; }

BlockKey key(std::vector<int32_t> ids, PrefixId before = 0, std::string salt = {}) {
  return {.before = before, .ids = std::move(ids), .salt = std::move(salt)};
}

TEST(BlockManager, FindsACachedBlockInUseAndAfterRelease) {
  BlockManager blocks(4, 2);
  EXPECT_EQ(blocks.find(key({5, 6})).block, -1);
  const int32_t block = blocks.allocate();
  const PrefixId prefix = blocks.cache(block, key({5, 6}));
  EXPECT_NE(prefix, PrefixId{0});
  EXPECT_EQ(blocks.find(key({5, 6})).block, block);
  blocks.check_integrity(ids({block, block}));
  blocks.release(block);
  blocks.release(block);
  EXPECT_EQ(blocks.free(), 4);
  const auto again = blocks.find(key({5, 6}));
  EXPECT_EQ(again.block, block);
  EXPECT_EQ(again.prefix, prefix);
  EXPECT_EQ(blocks.free(), 3);
  blocks.check_integrity(ids({block}));
}

TEST(BlockManager, EqualHashesShareNothing) {
  BlockManager blocks(8, 2, collide);
  std::vector<int32_t> held;
  const auto cache = [&](BlockKey k) { return blocks.cache(held.emplace_back(blocks.allocate()), std::move(k)); };
  const PrefixId a = cache(key({1, 2})), b = cache(key({2, 1}));
  EXPECT_NE(a, b);
  EXPECT_EQ(blocks.find(key({3, 3})).block, -1);
  const PrefixId behind_a = cache(key({3, 3}, a)), behind_b = cache(key({3, 3}, b));
  EXPECT_NE(behind_a, behind_b);
  EXPECT_EQ(blocks.find(key({3, 3})).block, -1);
  const auto found = blocks.find(key({3, 3}, b));
  EXPECT_EQ(found.prefix, behind_b);
  held.push_back(found.block);
  EXPECT_EQ(held.back(), held[3]);
  blocks.check_integrity(held);
}

TEST(BlockManager, SaltsAreApart) {
  BlockManager blocks(8, 2, collide);
  const int32_t mine = blocks.allocate(), everybodys = blocks.allocate();
  blocks.cache(mine, key({1, 2}, 0, "mine"));
  EXPECT_EQ(blocks.find(key({1, 2})).block, -1);
  EXPECT_EQ(blocks.find(key({1, 2}, 0, "yours")).block, -1);
  blocks.cache(everybodys, key({1, 2}));
  EXPECT_EQ(blocks.find(key({1, 2}, 0, "mine")).block, mine);
  EXPECT_EQ(blocks.find(key({1, 2})).block, everybodys);
  blocks.check_integrity(ids({mine, mine, everybodys, everybodys}));
}

TEST(BlockManager, AForgottenPrefixNeverComesBack) {
  BlockManager blocks(3, 1);
  const int32_t parent = blocks.allocate(), child = blocks.allocate();
  const PrefixId old = blocks.cache(parent, key({1}));
  blocks.cache(child, key({2}, old));
  blocks.release(parent);
  ASSERT_NE(blocks.allocate(), parent);  // the empty block
  ASSERT_EQ(blocks.allocate(), parent);  // forgets {1}
  EXPECT_EQ(blocks.find(key({1})).block, -1);
  const PrefixId other = blocks.cache(parent, key({9}));
  EXPECT_NE(other, old);
  EXPECT_EQ(blocks.find(key({2}, other)).block, -1) << "the same block, other ids";
}

TEST(BlockManager, ForgetsTheLeastRecentlyUsedPrefix) {
  BlockManager blocks(3, 1);
  std::vector<int32_t> held;
  for (int i = 0; i < 3; ++i) blocks.cache(held.emplace_back(blocks.allocate()), key({i}));
  for (const int i : {1, 0, 2}) blocks.release(held[i]);  // 1 is the oldest
  blocks.release(blocks.find(key({1})).block);            // now 0 is
  blocks.allocate();
  EXPECT_EQ(blocks.find(key({0})).block, -1);
  EXPECT_GE(blocks.find(key({1})).block, 0);
  EXPECT_GE(blocks.find(key({2})).block, 0);
}

TEST(BlockManager, OfTwoEqualPrefixesTheFirstStaysCached) {
  BlockManager blocks(3, 1);
  const int32_t first = blocks.allocate(), second = blocks.allocate();
  const PrefixId prefix = blocks.cache(first, key({9}));
  EXPECT_EQ(blocks.cache(second, key({9})), prefix);
  EXPECT_EQ(blocks.find(key({9})).block, first);
  blocks.check_integrity(ids({first, first, second}));
  blocks.release(second);
  EXPECT_EQ(blocks.allocate(), second);  // it held nothing findable
}

TEST(BlockManager, IntegrityCheckSeesALeakAndAForeignHolder) {
  BlockManager blocks(3, 1);
  const int32_t block = blocks.allocate();
  EXPECT_THROW(blocks.check_integrity({}), CheckError);
  EXPECT_THROW(blocks.check_integrity(ids({block, block})), CheckError);
  EXPECT_THROW(blocks.check_integrity(ids({block, 2})), CheckError);
  EXPECT_THROW(blocks.check_integrity(ids({block, 3})), CheckError);
}

TEST(BlockManager, SurvivesRandomUse) {
  for (const BlockManager::Hash hash : {BlockManager::Hash{BlockManager::hash}, BlockManager::Hash{collide}}) {
    std::mt19937 random(7);
    BlockManager blocks(13, 1, hash);
    std::vector<int32_t> held;
    for (int i = 0; i < 20000; ++i) {
      const BlockKey any = key({static_cast<int32_t>(random() % 20)}, 0, random() % 2 ? "salt" : "");
      switch (random() % 3) {
        case 0:
          if (const int32_t block = blocks.find(any).block; block >= 0) held.push_back(block);
          break;
        case 1:
          if (blocks.free() == 0) break;
          held.push_back(blocks.allocate());
          if (random() % 2) blocks.cache(held.back(), any);
          break;
        default:
          if (held.empty()) break;
          std::swap(held[random() % held.size()], held.back());
          blocks.release(held.back());
          held.pop_back();
      }
      blocks.check_integrity(held);
    }
  }
}

}  // namespace
}  // namespace weft
