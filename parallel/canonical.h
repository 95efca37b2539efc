#pragma once
// Canonical reduction (docs/arithmetic.md): U unit sums are added in one binary tree that depends on U alone.
// The tree over [a, b) splits at a + the largest power of two smaller than b - a; a rank that owns a
// contiguous run of units can compute the maximal complete subtrees inside its run, and whoever has all
// subtrees of all ranks can finish the tree with the same additions a single rank would make. So the result
// has the same bits on any number of ranks.
#include <algorithm>
#include <cstdint>
#include <cstring>
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

// The additions that finish the tree from all ranks' subtrees in ascending order, as the same kind of stack
// program: push part i, then merge `merges[i]` times (top two entries a below b become a + b). One entry
// remains.
struct CombinePlan {
  static constexpr int kMaxDepth = 16;
  std::vector<int> merges;  // one an input part
};
// runs_of_ranks: contiguous and ascending, together [0, units); some may be empty.
CombinePlan combine_plan(int64_t units, std::span<const Range> runs_of_ranks);

// out[0..n) = the tree over the parts, part i at part_at(i)[0..n), f32. out may be one of them.
template <class PartAt>
void combine(const CombinePlan& plan, const PartAt& part_at, int64_t n, float* out) {
  constexpr int64_t kTile = 256;  // the stack stays in L1
  float stack[CombinePlan::kMaxDepth][kTile];
  for (int64_t begin = 0; begin < n; begin += kTile) {
    const int64_t width = std::min(kTile, n - begin);
    int depth = 0;
    for (int part = 0; part < static_cast<int>(plan.merges.size()); ++part) {
      std::memcpy(stack[depth++], part_at(part) + begin, static_cast<size_t>(width) * sizeof(float));
      for (int merge = 0; merge < plan.merges[static_cast<size_t>(part)]; ++merge) {
        --depth;
        for (int64_t i = 0; i < width; ++i) stack[depth - 1][i] += stack[depth][i];
      }
    }
    std::memcpy(out + begin, stack[0], static_cast<size_t>(width) * sizeof(float));
  }
}

// A sum along K that is split over ranks: what one rank computes, and how all ranks' subtrees are finished.
struct SplitSum {
  KPlan plan;                      // this rank's subtrees
  CombinePlan combine;             // over all ranks' subtrees
  std::vector<int> parts_of_rank;  // subtrees each rank contributes
  int ranks() const { return static_cast<int>(parts_of_rank.size()); }
  int parts() const { return static_cast<int>(combine.merges.size()); }

  // Rank r owns units split_evenly(units.count(), ranks, r). With one rank the sum is complete where it is
  // computed.
  static SplitSum make(const Units& units, int ranks, int rank);
};

}  // namespace weft
