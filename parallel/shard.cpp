#include "parallel/shard.h"

#include <algorithm>

#include "kernels/core/check.h"

namespace weft {

Range split_evenly(int64_t n, int parts, int part) {
  WEFT_CHECK(n >= 0 && 0 <= part && part < parts, "part ", part, " of ", parts, " of ", n);
  const int64_t size = n / parts, larger = n % parts;
  const int64_t begin = part * size + std::min<int64_t>(part, larger);
  return {begin, begin + size + (part < larger ? 1 : 0)};
}

Units Units::heads(int n_heads, int64_t head_dim) {
  Units units;
  for (int head = 0; head <= n_heads; ++head) units.bounds.push_back(head * head_dim);
  return units;
}

Units Units::mlp(int64_t intermediate_size) {
  constexpr int64_t kBlock = 32, kNarrowest = 192, kMostUnits = 64;
  const int64_t count = std::clamp<int64_t>(intermediate_size / kNarrowest, 1, kMostUnits);
  const int64_t blocks = intermediate_size / kBlock;  // whole ones; the last unit takes what is left over
  Units units;
  for (int64_t unit = 0; unit < count; ++unit) units.bounds.push_back(blocks * unit / count * kBlock);
  units.bounds.push_back(intermediate_size);
  return units;
}

HeadShard shard_heads(int n_heads, int n_kv_heads, int parts, int part) {
  WEFT_CHECK(n_kv_heads > 0 && n_heads % n_kv_heads == 0, n_heads, " query heads, ", n_kv_heads, " KV heads");
  const int64_t share = n_heads / n_kv_heads;  // query heads that read one KV head
  HeadShard shard;
  shard.q = split_evenly(n_heads, parts, part);
  if (shard.q.size() == 0) return shard;
  shard.kv = {shard.q.begin / share, (shard.q.end - 1) / share + 1};
  for (int64_t kv = shard.kv.begin; kv < shard.kv.end; ++kv) {
    const int64_t begin = std::max(shard.q.begin, kv * share), end = std::min(shard.q.end, (kv + 1) * share);
    shard.groups.push_back({static_cast<int>(kv - shard.kv.begin), static_cast<int>(begin - shard.q.begin),
                            static_cast<int>(end - shard.q.begin)});
  }
  return shard;
}

}  // namespace weft
