#include "parallel/canonical.h"

#include <algorithm>
#include <bit>

#include "kernels/core/check.h"
#include "kernels/tree_sum/tree_sum.h"

namespace weft {
namespace {

bool inside(Range node, Range run) { return run.begin <= node.begin && node.end <= run.end; }
bool disjoint(Range node, Range run) { return node.end <= run.begin || run.end <= node.begin; }

// Where the tree over `node` (two units or more) splits.
int64_t middle(Range node) {
  return node.begin + static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(node.size() - 1)));
}

void collect_subtrees(Range node, Range run, std::vector<Range>& found) {
  if (disjoint(node, run)) return;
  if (inside(node, run)) return found.push_back(node);
  collect_subtrees({node.begin, middle(node)}, run, found);
  collect_subtrees({middle(node), node.end}, run, found);
}

struct Push {
  Range node;
  int merges;  // after the push
};

// The stack program of the tree over `node`, cut off at the nodes where is_leaf(node).
template <class IsLeaf>
void flatten(Range node, const IsLeaf& is_leaf, std::vector<Push>& program) {
  if (is_leaf(node)) return program.push_back({node, 0});
  flatten({node.begin, middle(node)}, is_leaf, program);
  flatten({middle(node), node.end}, is_leaf, program);
  ++program.back().merges;
}

int stack_depth(const std::vector<Push>& program) {
  int depth = 0, deepest = 0;
  for (const Push& push : program) {
    deepest = std::max(deepest, ++depth);
    depth -= push.merges;
  }
  WEFT_CHECK(deepest <= kTreeDepth, deepest);
  return deepest;
}

}  // namespace

std::vector<Range> subtrees(int64_t units, Range run) {
  WEFT_CHECK(0 <= run.begin && run.begin <= run.end && run.end <= units, "[", run.begin, ", ", run.end, ") of ", units);
  std::vector<Range> found;
  if (run.size() > 0) collect_subtrees({0, units}, run, found);
  return found;
}

KPlan canonical_plan(const Units& units, Range run) {
  KPlan plan;
  const int64_t first_column = units.begin(run.begin);
  for (const Range& tree : subtrees(units.count(), run)) {
    std::vector<Push> program;
    flatten(
        tree, [](Range node) { return node.size() == 1; }, program);
    plan.max_depth = std::max(plan.max_depth, stack_depth(program));
    for (const Push& push : program) {
      const Range columns = units.range(push.node);
      plan.steps.push_back({columns.begin - first_column, columns.end - first_column, push.merges, -1});
    }
    plan.steps.back().out = plan.outputs++;
  }
  return plan;
}

std::vector<int> tree_merges(int64_t units, std::span<const Range> runs_of_ranks) {
  std::vector<Push> program;
  const auto owned_by_one_rank = [&](Range node) {
    return std::any_of(runs_of_ranks.begin(), runs_of_ranks.end(), [&](Range run) { return inside(node, run); });
  };
  int64_t covered = 0;
  for (const Range& run : runs_of_ranks) {
    WEFT_CHECK_EQ(run.begin, covered);
    covered = run.end;
  }
  WEFT_CHECK_EQ(covered, units);
  flatten({0, units}, owned_by_one_rank, program);
  stack_depth(program);
  std::vector<int> merges;
  for (const Push& push : program) merges.push_back(push.merges);
  return merges;
}

SplitSum SplitSum::make(const Units& units, int ranks, int rank) {
  SplitSum sum;
  std::vector<Range> runs;
  for (int r = 0; r < ranks; ++r) {
    runs.push_back(split_evenly(units.count(), ranks, r));
    sum.parts_of_rank.push_back(static_cast<int>(subtrees(units.count(), runs.back()).size()));
  }
  sum.plan = canonical_plan(units, runs[rank]);
  sum.merges = tree_merges(units.count(), runs);
  return sum;
}

}  // namespace weft
