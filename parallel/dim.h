#pragma once
// One dimension of a model as the ranks of a group share it: cut into units that depend on the model only. A value that answers
// for every rank, so that one census serves all of them. Query heads, KV heads, MLP slices, the vocabulary: all are this.
#include <vector>

#include "kernels/attention/attention.h"
#include "parallel/canonical.h"
#include "parallel/mesh.h"
#include "parallel/shard.h"

namespace weft {

struct Dim {
  enum class Share : uint8_t {
    whole,    // every rank holds all of it
    split,    // rank r holds units split_evenly(count, ranks, r)
    serving,  // unit u is read by the split units [u * readers, (u + 1) * readers): a rank holds what its split units read
  } share = Share::whole;
  Units units;
  int64_t readers = 1;
  int ranks = 1, rank = 0;

  static Dim whole(int64_t n) { return {.units = Units::even(1, n)}; }
  static Dim over_tp(Units units, const Mesh& mesh) {
    return {.share = Share::split, .units = std::move(units), .ranks = mesh.tp, .rank = mesh.tp_rank()};
  }
  Dim times(int64_t n) const;  // the same units, n times as large: heads of n elements
  int64_t size() const { return units.size(); }
  Range held_units(int of_rank) const;
  Range held(int of_rank) const { return units.range(held_units(of_rank)); }  // elements; may be empty, or overlap a neighbour's
  Range own() const { return held(rank); }
  int64_t n() const { return own().size(); }
  // How a sum along this dimension is computed here and completed over the ranks.
  SplitSum sum() const;
  // The same for a sum of one value a rank: of what each has of its own units, and zero of the others'.
  SplitSum sum_of_ranks() const { return SplitSum::make(Units::even(ranks), ranks, rank); }
};

// What attention asks: which of this rank's query heads read which of its KV heads. Both dimensions in units of heads.
std::vector<HeadGroup> head_groups(const Dim& q, const Dim& kv);

}  // namespace weft
