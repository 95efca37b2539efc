#pragma once
// Which part of a dimension a rank holds. Pure functions of (size, ranks, rank); nothing requires
// divisibility.
#include <cstdint>
#include <utility>
#include <vector>

#include "kernels/attention/attention.h"

namespace weft {

struct Range {
  int64_t begin = 0, end = 0;
  int64_t size() const { return end - begin; }
  bool operator==(const Range&) const = default;
};

// [0, n) cut into `parts` contiguous pieces as evenly as possible, the larger ones first (9 over 2: 5 + 4).
Range split_evenly(int64_t n, int parts, int part);

// The fixed units a dimension is cut into for the canonical reduction and for sharding: unit u is [bounds[u],
// bounds[u+1]). They depend on the model only, never on the number of ranks.
struct Units {
  std::vector<int64_t> bounds;  // (count + 1)
  int count() const { return static_cast<int>(bounds.size()) - 1; }
  Range range(Range units) const { return {bounds[units.begin], bounds[units.end]}; }

  static Units heads(int n_heads, int64_t head_dim);  // one a head
  // Slices of an MLP's intermediate size: at least 192 wide, at most 64 slices, multiples of 32 but for the
  // last.
  static Units mlp(int64_t intermediate_size);
};

// Query heads of a rank, the KV heads those need (replicated where ranks share one), and the groups attention
// wants, in this rank's own indices. n_heads % n_kv_heads == 0 in every model; the cut need not respect it.
struct HeadShard {
  Range q, kv;
  std::vector<HeadGroup> groups;
};
HeadShard shard_heads(int n_heads, int n_kv_heads, int parts, int part);

}  // namespace weft
