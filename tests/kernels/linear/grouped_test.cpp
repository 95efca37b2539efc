// grouped_linear is linear on each group of rows.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/kernels/linear/linear_cases.h"

namespace weft::testing {
namespace {

constexpr int64_t kColumns = 96, kRows = 130, kOut = 40;

std::vector<float> run_grouped(GroupedLinearOp& op, std::vector<float> x, const std::vector<PackedMatrix>& w,
                               std::vector<int32_t> offsets, const KPlan& plan, Arithmetic a, int threads) {
  const int64_t rows = static_cast<int64_t>(x.size()) / kColumns;
  std::vector<float> y(static_cast<size_t>(plan.outputs * rows * kOut), -777.0f);
  ThreadPool pool(threads);
  Arena arena(linear_workspace(rows, kColumns, plan, a, threads));
  Context context{pool, arena};
  op(Tensor(y.data(), {plan.outputs, rows, kOut}), Tensor(x.data(), {rows, kColumns}), w,
     Tensor(offsets.data(), {std::ssize(offsets)}), plan, a, context);
  return y;
}

class Grouped : public ::testing::TestWithParam<std::vector<int32_t>> {};

TEST_P(Grouped, EqualsLinearOnEachGroup) {
  const std::vector<int32_t>& offsets = GetParam();
  const std::vector<float> x = random_input(kRows, kColumns, 1);
  for (DType dtype : {DType::bf16, DType::q8_0, DType::q4_0, DType::q5_1}) {
    std::vector<PackedMatrix> experts;
    for (size_t e = 0; e + 1 < offsets.size(); ++e)
      experts.push_back(random_matrix(dtype, kOut, kColumns, 0, static_cast<uint32_t>(e)));
    for (const KPlan& plan : {KPlan::sequential(kColumns), forest_plan(kColumns, 3)})
      for (Arithmetic a : {Arithmetic::f32, Arithmetic::bf16, Arithmetic::q8}) {
        const std::vector<float> y = run_grouped(grouped_linear, x, experts, offsets, plan, a, 2);
        const std::vector<float> reference = run_grouped(ref::grouped_linear, x, experts, offsets, plan, a, 1);
        std::vector<float> expected(y.size(), -777.0f);
        for (size_t e = 0; e < experts.size(); ++e) {
          const std::vector<float> rows(x.begin() + offsets[e] * kColumns, x.begin() + offsets[e + 1] * kColumns);
          if (rows.empty()) continue;
          const std::vector<float> own = run(linear, rows, experts[e], plan, a);
          const int64_t size = (offsets[e + 1] - offsets[e]) * kOut;
          for (int64_t i = 0; i < plan.outputs; ++i)
            std::copy_n(own.begin() + i * size, size, expected.begin() + (i * kRows + offsets[e]) * kOut);
        }
        EXPECT_TRUE(same_bits(y, expected)) << name(dtype) << "/" << name(a);
        for (size_t i = 0; i < y.size(); ++i)
          ASSERT_NEAR(reference[i], y[i], 1e-2) << name(dtype) << "/" << name(a) << " at " << i;
      }
  }
}

INSTANTIATE_TEST_SUITE_P(Offsets, Grouped,
                         ::testing::Values(std::vector<int32_t>{0, 130}, std::vector<int32_t>{0, 0, 130, 130},
                                           std::vector<int32_t>{3, 3, 4, 4, 120, 121, 128},
                                           std::vector<int32_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 130},
                                           std::vector<int32_t>{50, 50, 50}));

}  // namespace
}  // namespace weft::testing
