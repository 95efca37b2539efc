#pragma once
// Bookkeeping of the paged KV cache: which block belongs to whom, and which full blocks can be shared.
// Integers only.
//
// A block is either referenced (by one or more sequences) or free. A free block may still hold the K and V of
// a known prefix: it stays findable until it is handed out again. Free blocks form one list: empty ones at
// the front, cached ones behind in order of release, so allocation takes the least recently used one.
//
// Prefix cache. A full block is addressed by a chain hash: XXH3-128 of the hash of the block before it and of
// its own token ids, so equal hashes mean equal ids at equal positions. Only full blocks are cached, hence
// never written again.
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

namespace weft {

struct BlockHash {
  uint64_t low = 0, high = 0;  // {0, 0}: the start of a sequence
  bool operator==(const BlockHash&) const = default;
};

class BlockManager {
 public:
  BlockManager(int64_t n_blocks, int block_size);

  int64_t total() const { return static_cast<int64_t>(blocks_.size()); }
  int64_t free() const { return n_free_; }
  int block_size() const { return block_size_; }
  int64_t blocks_for(int64_t positions) const { return (positions + block_size_ - 1) / block_size_; }

  // A block with one reference; free() must be positive. Forgets the prefix it held.
  int32_t allocate();

  // The hash of a full block after `parent`.
  static BlockHash hash(BlockHash parent, std::span<const int32_t> ids);
  // The block that holds this prefix, with one more reference; -1 if none does.
  int32_t find(BlockHash hash);
  // The referenced block now holds this prefix. If another block already does, that one stays the cached one.
  void cache(int32_t block, BlockHash hash);

  void release(int32_t block);  // one reference less

  // CheckError unless lists, counts and index agree with each other and with `references`: every block id
  // once for each sequence that holds it.
  void check_integrity(std::span<const int32_t> references) const;

 private:
  struct Block {
    int32_t references = 0;
    int32_t previous = -1, next = -1;  // in the free list
    bool cached = false;
    BlockHash hash;
  };
  struct HashOfHash {
    size_t operator()(const BlockHash& h) const { return h.low; }
  };

  void unlink(int32_t block);
  void insert_after(int32_t block, int32_t previous);  // previous == -1: at the front

  std::vector<Block> blocks_;
  std::unordered_map<BlockHash, int32_t, HashOfHash> index_;
  int block_size_;
  int64_t n_free_ = 0;
  int32_t head_ = -1, tail_ = -1;
};

}  // namespace weft
