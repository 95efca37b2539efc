#pragma once
// Canonical reduction (docs/arithmetic.md): U unit sums are added in one binary tree that depends on U alone. The tree over
// [a, b) splits at a + the largest power of two smaller than b - a; a rank that owns a contiguous run of units can compute
// the maximal complete subtrees inside its run, and whoever has all subtrees of all ranks can finish the tree with the
// same additions a single rank would make. So the result has the same bits on any number of ranks.
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/linear/k_plan.h"
#include "parallel/shard.h"

namespace weft {

// Maximal complete subtrees of the tree over [0, units) that lie inside `run`, left to right.
std::vector<Range> subtrees(int units, Range run);

// The summation program of the rank that owns units `run`: one output a subtree of subtrees(units, run). Columns are
// counted from the first column of the run. An empty run gives a plan without steps and outputs.
KPlan canonical_plan(const Units& units, Range run);

// The additions that finish the tree from all ranks' subtrees in ascending order, as the same kind of stack program:
// push part i, then merge `merges[i]` times (top two entries a below b become a + b). One entry remains.
struct CombinePlan {
  std::vector<int> merges;  // one an input part
};
CombinePlan combine_plan(int units, std::span<const Range> runs_of_ranks);

// out[0..n) = the tree over parts[i][0..n), f32.
void combine(const CombinePlan& plan, std::span<const float* const> parts, int64_t n, float* out);

}  // namespace weft
