#include "runtime/engine/block_manager.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <limits>

#include "kernels/core/check.h"

namespace weft {

BlockManager::BlockManager(int64_t n_blocks, int block_size) : block_size_(block_size) {
  WEFT_CHECK(n_blocks >= 1 && n_blocks <= std::numeric_limits<int32_t>::max() && block_size >= 1, n_blocks, " blocks of ",
             block_size);
  blocks_.resize(n_blocks);
  for (int32_t block = 0; block < n_blocks; ++block) insert_after(block, tail_);
}

void BlockManager::insert_after(int32_t block, int32_t previous) {
  Block& b = blocks_[block];
  b.previous = previous;
  b.next = previous < 0 ? head_ : blocks_[previous].next;
  (b.previous < 0 ? head_ : blocks_[b.previous].next) = block;
  (b.next < 0 ? tail_ : blocks_[b.next].previous) = block;
  ++n_free_;
}

void BlockManager::unlink(int32_t block) {
  const Block& b = blocks_[block];
  (b.previous < 0 ? head_ : blocks_[b.previous].next) = b.next;
  (b.next < 0 ? tail_ : blocks_[b.next].previous) = b.previous;
  --n_free_;
}

int32_t BlockManager::allocate() {
  WEFT_CHECK(n_free_ > 0, "no free KV block");
  const int32_t block = head_;
  unlink(block);
  Block& b = blocks_[block];
  if (b.cached) index_.erase(b.hash);
  b = Block{};
  b.references = 1;
  return block;
}

BlockHash BlockManager::hash(BlockHash parent, std::span<const int32_t> ids) {
  XXH3_state_t state;
  XXH3_128bits_reset(&state);
  XXH3_128bits_update(&state, &parent, sizeof parent);
  XXH3_128bits_update(&state, ids.data(), ids.size_bytes());
  const XXH128_hash_t h = XXH3_128bits_digest(&state);
  return {h.low64, h.high64};
}

int32_t BlockManager::find(BlockHash hash) {
  const auto found = index_.find(hash);
  if (found == index_.end()) return -1;
  const int32_t block = found->second;
  if (blocks_[block].references++ == 0) unlink(block);
  return block;
}

void BlockManager::cache(int32_t block, BlockHash hash) {
  Block& b = blocks_[block];
  WEFT_CHECK(b.references > 0 && !b.cached, "block ", block);
  if (!index_.try_emplace(hash, block).second) return;
  b.cached = true;
  b.hash = hash;
}

void BlockManager::release(int32_t block) {
  Block& b = blocks_[block];
  WEFT_CHECK(b.references > 0, "block ", block, " is free");
  if (--b.references > 0) return;
  insert_after(block,
               b.cached ? tail_ : -1);  // an empty block is reused first: its memory is already resident
}

void BlockManager::check_integrity(std::span<const int32_t> references) const {
  std::vector<int32_t> expected(blocks_.size(), 0);
  for (const int32_t block : references) {
    WEFT_CHECK(block >= 0 && block < total(), "block ", block);
    ++expected[block];
  }
  int64_t n_free = 0, n_cached = 0;
  for (int32_t block = 0; block < total(); ++block) {
    const Block& b = blocks_[block];
    WEFT_CHECK(b.references == expected[block], "block ", block, ": ", b.references, " references, ", expected[block],
               " held");
    n_free += b.references == 0;
    n_cached += b.cached;
    if (!b.cached) continue;
    const auto found = index_.find(b.hash);
    WEFT_CHECK(found != index_.end() && found->second == block, "block ", block, " is not indexed");
  }
  WEFT_CHECK_EQ(n_cached, static_cast<int64_t>(index_.size()));
  WEFT_CHECK_EQ(n_free, n_free_);
  int64_t listed = 0;
  int32_t previous = -1;
  for (int32_t block = head_; block >= 0; previous = block, block = blocks_[block].next, ++listed) {
    const Block& b = blocks_[block];
    WEFT_CHECK(b.references == 0 && b.previous == previous && listed < n_free, "free list at block ", block);
  }
  WEFT_CHECK(listed == n_free && tail_ == previous, listed, " blocks listed, ", n_free, " free");
}

}  // namespace weft
