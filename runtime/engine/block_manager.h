#pragma once
// Bookkeeping of the paged KV cache: which block belongs to whom, and which full blocks can be shared.
// Integers only.
//
// A block is either referenced (by one or more sequences) or free. A free block may still hold the K and V of
// a known prefix: it stays findable until it is handed out again. Free blocks form one list: empty ones at
// the front, cached ones behind in order of release, so allocation takes the least recently used one.
//
// Prefix cache: a radix tree of full blocks, which are never written again. A block is found by the prefix
// before it and its own token ids, compared one by one: a hash only says where to look, so prompts made to
// collide share nothing. A prefix that is forgotten takes its number with it: blocks cached behind it are not
// found any more, whatever its block holds next.
#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace weft {

// Of the ids from the start of a sequence to the end of a cached block; never used twice. 0: the start.
using PrefixId = uint64_t;

struct BlockKey {
  PrefixId before = 0;
  std::vector<int32_t> ids;  // block_size of them
  std::string salt;          // of a sequence's first block: sequences of different salts have no prefix in common
  bool operator==(const BlockKey&) const = default;
};

class BlockManager {
 public:
  using Hash = size_t (*)(const BlockKey&);
  static size_t hash(const BlockKey& key);

  // hash_fn: of the index; equal hashes cost time and nothing else.
  BlockManager(int64_t n_blocks, int block_size, Hash hash_fn = hash);

  int64_t total() const { return static_cast<int64_t>(blocks_.size()); }
  int64_t free() const { return n_free_; }
  int block_size() const { return block_size_; }
  int64_t blocks_for(int64_t positions) const { return (positions + block_size_ - 1) / block_size_; }

  // A block with one reference; free() must be positive. Forgets the prefix it held.
  int32_t allocate();

  struct Found {
    int32_t block = -1;  // -1: none holds it
    PrefixId prefix = 0;
  };
  // The block that holds these ids, with one more reference.
  Found find(const BlockKey& key);
  // The referenced block now holds these ids. If another block already does, that one stays the cached one.
  // Returns the prefix that ends with them.
  PrefixId cache(int32_t block, BlockKey key);

  void release(int32_t block);  // one reference less

  // CheckError unless lists, counts and index agree with each other and with `references`: every block id
  // once for each sequence that holds it.
  void check_integrity(std::span<const int32_t> references) const;

 private:
  struct Block {
    int32_t references = 0;
    int32_t previous = -1, next = -1;  // in the free list
    const BlockKey* key = nullptr;     // its entry of the index; null: not cached
  };

  void unlink(int32_t block);
  void insert_after(int32_t block, int32_t previous);  // previous == -1: at the front

  std::vector<Block> blocks_;
  std::unordered_map<BlockKey, Found, Hash> index_;
  PrefixId last_prefix_ = 0;
  int block_size_;
  int64_t n_free_ = 0;
  int32_t head_ = -1, tail_ = -1;
};

}  // namespace weft
