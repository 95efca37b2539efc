#include "runtime/engine/block_manager.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <limits>

#include "kernels/core/check.h"

namespace weft {

size_t BlockManager::hash(const BlockKey& key) {
  const uint64_t ids = XXH3_64bits_withSeed(key.ids.data(), key.ids.size() * sizeof(int32_t), key.before);
  return XXH3_64bits_withSeed(key.salt.data(), key.salt.size(), ids);
}

BlockManager::BlockManager(int64_t n_blocks, int block_size, Hash hash_fn) : index_(0, hash_fn), block_size_(block_size) {
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
  if (b.key) index_.erase(index_.find(*b.key));
  b = Block{};
  b.references = 1;
  return block;
}

BlockManager::Found BlockManager::find(const BlockKey& key) {
  const auto entry = index_.find(key);
  if (entry == index_.end()) return {};
  const Found found = entry->second;
  if (blocks_[found.block].references++ == 0) unlink(found.block);
  return found;
}

PrefixId BlockManager::cache(int32_t block, BlockKey key) {
  Block& b = blocks_[block];
  WEFT_CHECK(b.references > 0 && !b.key, "block ", block);
  WEFT_CHECK_EQ(static_cast<int64_t>(key.ids.size()), block_size_);
  const auto [entry, fresh] = index_.try_emplace(std::move(key), Found{block, last_prefix_ + 1});
  if (fresh) {
    ++last_prefix_;
    b.key = &entry->first;
  }
  return entry->second.prefix;
}

void BlockManager::release(int32_t block) {
  Block& b = blocks_[block];
  WEFT_CHECK(b.references > 0, "block ", block, " is free");
  if (--b.references > 0) return;
  insert_after(block,
               b.key ? tail_ : -1);  // an empty block is reused first: its memory is already resident
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
    n_cached += b.key != nullptr;
    if (!b.key) continue;
    const auto entry = index_.find(*b.key);
    WEFT_CHECK(entry != index_.end() && entry->second.block == block, "block ", block, " is not indexed");
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
