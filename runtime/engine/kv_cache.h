#pragma once
// Memory of one rank's KV cache: for each layer K (blocks, kv_heads, head_dim, block_size) and
// V (blocks, kv_heads, block_size, head_dim), as kernels/attention/attention.h wants them.
// It becomes resident as blocks are first used.
#include <span>
#include <vector>

#include "kernels/attention/attention.h"
#include "kernels/core/buffer.h"

namespace weft {

struct KvShape {
  int n_layers = 0, kv_heads = 0;  // of this rank
  int64_t head_dim = 0;
  int block_size = 0;
  DType dtype = DType::f32;
  int64_t block_bytes() const { return 2 * n_layers * kv_heads * dtype_bytes(dtype, head_dim * block_size); }
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
