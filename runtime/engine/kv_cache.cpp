#include "runtime/engine/kv_cache.h"

#include <sys/mman.h>

namespace weft {

int64_t KvShape::block_bytes() const {
  int64_t bytes = 0;
  for (const Paged& layer : layers) bytes += layer.heads.n() * dtype_bytes(dtype, (layer.k + layer.v) * block_size);
  return bytes;
}

KvCache::KvCache(const KvShape& shape, int64_t n_blocks) : memory_(shape.block_bytes() * n_blocks) {
  // With huge pages the first token would make 2 MiB of K and of V resident in every layer.
  madvise(memory_.data(), static_cast<size_t>(memory_.bytes()), MADV_NOHUGEPAGE);
  std::byte* at = memory_.data();
  const auto take = [&](std::initializer_list<int64_t> dims) {
    const Tensor tensor(at, shape.dtype, dims);
    at += tensor.bytes();
    return tensor;
  };
  for (const Paged& layer : shape.layers) {
    const Tensor k = take({n_blocks, layer.heads.n(), layer.k, shape.block_size});
    layers_.push_back({.k = k, .v = take({n_blocks, layer.heads.n(), shape.block_size, layer.v})});
  }
}

}  // namespace weft
