#pragma once
// Memory of one rank's KV cache: what the model's layers declared, for each K (blocks, kv_heads, head_dim, block_size) and
// V (blocks, kv_heads, block_size, head_dim), as kernels/attention/attention.h wants them.
// It becomes resident as blocks are first used.
#include <span>
#include <vector>

#include "kernels/attention/attention.h"
#include "kernels/core/buffer.h"
#include "runtime/weights/build.h"

namespace weft {

struct KvShape {
  std::vector<Paged> layers;  // by CacheId
  int block_size = 0;
  DType dtype = DType::f32;
  int64_t block_bytes() const;  // of this rank, all layers
};

class KvCache {
 public:
  KvCache(const KvShape& shape, int64_t n_blocks);
  std::span<const PagedKv> layers() const { return layers_; }

 private:
  Buffer memory_;
  std::vector<PagedKv> layers_;
};

}  // namespace weft
