#pragma once
// Canonical reduction (docs/arithmetic.md): U unit sums are added in one binary tree that depends on U alone.
// The tree over [a, b) splits at a + the largest power of two smaller than b - a; a rank that owns a
// contiguous run of units can compute the maximal complete subtrees inside its run, and whoever has all
// subtrees of all ranks can finish the tree with the same additions a single rank would make. So the result
// has the same bits on any number of ranks.
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/linear/k_plan.h"
#include "parallel/shard.h"

namespace weft {

// Maximal complete subtrees of the tree over [0, units) that lie inside `run`, left to right.
std::vector<Range> subtrees(int64_t units, Range run);

// The summation program of the rank that owns units `run`: one output a subtree of subtrees(units, run).
// Columns are counted from the first column of the run. An empty run gives a plan without steps and outputs.
KPlan canonical_plan(const Units& units, Range run);

// The additions that finish the tree from all ranks' subtrees in ascending order: tree_sum's merges, one a subtree.
// runs_of_ranks: contiguous and ascending, together [0, units); some may be empty.
std::vector<int> tree_merges(int64_t units, std::span<const Range> runs_of_ranks);

// A sum along K that is split over ranks: what one rank computes, and how tree_sum finishes it.
struct SplitSum {
  KPlan plan;                      // this rank's subtrees
  std::vector<int> merges;         // how all ranks' subtrees are finished
  std::vector<int> parts_of_rank;  // subtrees each rank contributes
  int ranks() const { return static_cast<int>(parts_of_rank.size()); }
  int parts() const { return static_cast<int>(merges.size()); }

  // Rank r owns units split_evenly(units.count(), ranks, r). With one rank the sum is complete where it is
  // computed.
  static SplitSum make(const Units& units, int ranks, int rank);
};

}  // namespace weft
