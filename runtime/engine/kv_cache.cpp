#include "runtime/engine/kv_cache.h"

#include <sys/mman.h>

namespace weft {

KvCache::KvCache(const KvShape& shape, int64_t n_blocks) : memory_(shape.block_bytes() * n_blocks) {
  // With huge pages the first token would make 2 MiB of K and of V resident in every layer.
  madvise(memory_.data(), static_cast<size_t>(memory_.bytes()), MADV_NOHUGEPAGE);
  const int64_t half = shape.block_bytes() / (2 * shape.n_layers) * n_blocks;
  std::byte* at = memory_.data();
  for (int layer = 0; layer < shape.n_layers; ++layer, at += 2 * half)
    layers_.push_back({.k = Tensor(at, shape.dtype, {n_blocks, shape.kv_heads, shape.head_dim, shape.block_size}),
                       .v = Tensor(at + half, shape.dtype, {n_blocks, shape.kv_heads, shape.block_size, shape.head_dim})});
}

}  // namespace weft
