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

TEST(BlockManager, HashDependsOnIdsAndOnWhatCameBefore) {
  const BlockHash a = BlockManager::hash({}, ids({1, 2})), b = BlockManager::hash({}, ids({2, 1}));
  EXPECT_NE(a, b);
  EXPECT_NE(BlockManager::hash(a, ids({3, 4})), BlockManager::hash(b, ids({3, 4})));
  EXPECT_EQ(a, BlockManager::hash({}, ids({1, 2})));
  EXPECT_NE(BlockManager::hash({}, ids({0})), BlockHash{});
}

TEST(BlockManager, FindsACachedBlockInUseAndAfterRelease) {
  BlockManager blocks(4, 2);
  const BlockHash hash = BlockManager::hash({}, ids({5, 6}));
  EXPECT_EQ(blocks.find(hash), -1);
  const int32_t block = blocks.allocate();
  blocks.cache(block, hash);
  EXPECT_EQ(blocks.find(hash), block);
  blocks.check_integrity(ids({block, block}));
  blocks.release(block);
  blocks.release(block);
  EXPECT_EQ(blocks.free(), 4);
  EXPECT_EQ(blocks.find(hash), block);
  EXPECT_EQ(blocks.free(), 3);
  blocks.check_integrity(ids({block}));
}

TEST(BlockManager, ForgetsTheLeastRecentlyUsedPrefix) {
  BlockManager blocks(3, 1);
  std::vector<BlockHash> hash;
  for (int i = 0; i < 3; ++i) hash.push_back(BlockManager::hash({}, ids({i})));
  std::vector<int32_t> held;
  for (int i = 0; i < 3; ++i) blocks.cache(held.emplace_back(blocks.allocate()), hash[i]);
  for (const int i : {1, 0, 2}) blocks.release(held[i]);  // 1 is the oldest
  blocks.release(blocks.find(hash[1]));                   // now 0 is
  blocks.allocate();
  EXPECT_EQ(blocks.find(hash[0]), -1);
  EXPECT_GE(blocks.find(hash[1]), 0);
  EXPECT_GE(blocks.find(hash[2]), 0);
}

TEST(BlockManager, OfTwoEqualPrefixesTheFirstStaysCached) {
  BlockManager blocks(3, 1);
  const BlockHash hash = BlockManager::hash({}, ids({9}));
  const int32_t first = blocks.allocate(), second = blocks.allocate();
  blocks.cache(first, hash);
  blocks.cache(second, hash);
  EXPECT_EQ(blocks.find(hash), first);
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
  std::mt19937 random(7);
  BlockManager blocks(13, 1);
  std::vector<int32_t> held;
  for (int i = 0; i < 20000; ++i) {
    const BlockHash hash = BlockManager::hash({}, ids({static_cast<int32_t>(random() % 20)}));
    switch (random() % 3) {
      case 0:
        if (const int32_t block = blocks.find(hash); block >= 0) held.push_back(block);
        break;
      case 1:
        if (blocks.free() == 0) break;
        held.push_back(blocks.allocate());
        if (random() % 2) blocks.cache(held.back(), hash);
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

}  // namespace
}  // namespace weft
