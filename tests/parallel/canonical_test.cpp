#include "parallel/canonical.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "kernels/core/check.h"
#include "kernels/tree_sum/tree_sum.h"

namespace weft {
namespace {

// The definition: the tree over [begin, end) of unit values.
float tree(const std::vector<float>& units, size_t begin, size_t end) {
  if (end - begin == 1) return units[begin];
  size_t half = 1;
  while (half * 2 < end - begin) half *= 2;
  return tree(units, begin, begin + half) + tree(units, begin + half, end);
}

// Runs a rank's plan over one column a unit, checking the stack program's rules.
std::vector<float> run_plan(const KPlan& plan, const float* columns) {
  std::vector<float> stack, outputs(plan.outputs, NAN);
  int64_t next = 0, deepest = 0;
  for (const KPlan::Step& step : plan.steps) {
    EXPECT_EQ(step.k_begin, next);
    next = step.k_end;
    float sum = 0;
    for (int64_t k = step.k_begin; k < step.k_end; ++k) sum += columns[k];
    stack.push_back(sum);
    deepest = std::max<int64_t>(deepest, stack.size());
    for (int merge = 0; merge < step.merges; ++merge) {
      const float top = stack.back();
      stack.pop_back();
      stack.back() += top;
    }
    if (step.out >= 0) {
      EXPECT_TRUE(std::isnan(outputs[step.out])) << "stored twice";
      outputs[step.out] = stack.back();
      stack.pop_back();
    }
  }
  EXPECT_TRUE(stack.empty());
  EXPECT_LE(deepest, plan.max_depth);
  EXPECT_LE(plan.max_depth, 16);
  return outputs;
}

Units one_column_units(int count) { return Units::even(count, 1); }

// Values whose sum depends strongly on the order.
std::vector<float> wild_values(int count, uint32_t seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> mantissa(-1, 1), exponent(-8, 8);
  std::vector<float> values(count);
  for (float& value : values) value = mantissa(random) * std::exp2(exponent(random));
  return values;
}

uint32_t bits(float value) {
  uint32_t out;
  std::memcpy(&out, &value, 4);
  return out;
}

TEST(Canonical, SameBitsOnAnyNumberOfRanks) {
  ThreadPool pool(1);
  Arena none(0);
  Context context{pool, none};
  for (int count = 1; count <= 64; ++count) {
    const std::vector<float> values = wild_values(count, count);
    const float expected = tree(values, 0, count);
    for (int ranks = 1; ranks <= 18; ++ranks) {  // more ranks than units too: some have empty runs
      std::vector<float> parts;
      for (int rank = 0; rank < ranks; ++rank) {
        const SplitSum sum = SplitSum::make(one_column_units(count), ranks, rank);
        const Range run = split_evenly(count, ranks, rank);
        const std::vector<float> outputs = run_plan(sum.plan, values.data() + run.begin);
        ASSERT_EQ(static_cast<int>(outputs.size()), sum.parts_of_rank[rank]);
        ASSERT_EQ(sum.ranks(), ranks);
        parts.insert(parts.end(), outputs.begin(), outputs.end());
      }
      const SplitSum sum = SplitSum::make(one_column_units(count), ranks, 0);
      ASSERT_EQ(sum.parts(), static_cast<int>(parts.size()));
      float result = NAN;
      tree_sum(Tensor(&result, {1, 1}), Tensor(parts.data(), {std::ssize(parts)}), sum.parts_of_rank, sum.merges, context);
      ASSERT_EQ(bits(result), bits(expected)) << count << " units on " << ranks << " ranks";
    }
    ASSERT_EQ(SplitSum::make(one_column_units(count), 1, 0).parts(), 1);
  }
}

TEST(Canonical, SubtreesOfARunAreMaximalAndComplete) {
  EXPECT_EQ(subtrees(9, {0, 5}), (std::vector<Range>{{0, 4}, {4, 5}}));
  EXPECT_EQ(subtrees(9, {5, 9}), (std::vector<Range>{{5, 6}, {6, 8}, {8, 9}}));
  EXPECT_EQ(subtrees(8, {0, 8}), (std::vector<Range>{{0, 8}}));
  EXPECT_EQ(subtrees(8, {3, 3}), (std::vector<Range>{}));
  EXPECT_THROW(subtrees(8, {3, 9}), CheckError);
}

TEST(Canonical, ColumnsAreCountedFromTheRun) {
  const Units units = Units::even(3, 200);
  const KPlan plan = canonical_plan(units, {1, 3});
  ASSERT_EQ(plan.steps.size(), 2u);
  EXPECT_EQ(plan.steps[0].k_begin, 0);
  EXPECT_EQ(plan.steps[1].k_end, 400);
  EXPECT_EQ(plan.outputs, 2);  // the tree over three is (0, 1), 2: units 1 and 2 are not siblings
  EXPECT_EQ(canonical_plan(units, {2, 2}).outputs, 0);
}

TEST(Canonical, RefusesRunsWithGaps) {
  const std::vector<Range> gap{{0, 2}, {3, 4}}, shorter{{0, 2}, {2, 3}};
  EXPECT_THROW(tree_merges(4, gap), CheckError);
  EXPECT_THROW(tree_merges(4, shorter), CheckError);
}

}  // namespace
}  // namespace weft
