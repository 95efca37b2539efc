// linear against its definition in double precision, and its promise of equal bits.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/linear/cpu_kernels.h"
#include "tests/kernels/linear/linear_cases.h"

namespace weft::testing {
namespace {

constexpr DType kWeights[] = {DType::f32,  DType::f16,  DType::bf16, DType::q8_0, DType::q4_0, DType::q4_1,
                              DType::q5_0, DType::q5_1, DType::q4_K, DType::q5_K, DType::q6_K};
constexpr Arithmetic kArithmetics[] = {Arithmetic::f32, Arithmetic::bf16, Arithmetic::f16, Arithmetic::q8};

// The largest |x_k w_k| sum of a row: what one rounding error is relative to.
double magnitude(const std::vector<float>& x, int64_t row, const PackedMatrix& w, int64_t n) {
  std::vector<float> weights(static_cast<size_t>(w.k()));
  w.unpack_row(n, weights.data());
  double sum = 0;
  for (int64_t k = 0; k < w.k(); ++k)
    sum += std::fabs(double{x[static_cast<size_t>(row * w.k() + k)]} * weights[static_cast<size_t>(k)]);
  return sum;
}

// Errors of a sequential f32 sum grow as its length in the worst case, as its root in practice; q8 rounds a
// few times a block more, and its minima cancel against codes.
void expect_close(const std::vector<float>& y, const std::vector<float>& expected, const std::vector<float>& x,
                  const PackedMatrix& w, const KPlan& plan, const std::string& what) {
  ASSERT_EQ(y.size(), expected.size()) << what;
  const int64_t rows = static_cast<int64_t>(y.size()) / w.n() / plan.outputs;
  const double epsilon = 0x1p-24 * (8 + 2 * std::sqrt(static_cast<double>(w.k())));
  for (int64_t i = 0; i < static_cast<int64_t>(y.size()); ++i) {
    const int64_t n = i % w.n(), m = i / w.n() % rows;
    const double scale = 4 * magnitude(x, m, w, n) + std::fabs(expected[static_cast<size_t>(i)]);
    ASSERT_NEAR(y[static_cast<size_t>(i)], expected[static_cast<size_t>(i)], epsilon * scale + 1e-30)
        << what << " at output " << i / w.n() / rows << " row " << m << " column " << n;
  }
}

std::string label(DType dtype, Arithmetic a, int64_t m, int64_t n, int64_t k) {
  return cat(name(dtype), "/", name(a), " M ", m, " N ", n, " K ", k);
}

class LinearTypes : public ::testing::TestWithParam<DType> {
 protected:
  void TearDown() override { cpu::use_kernels(nullptr); }

  // Every instruction set against the others in bits, against ref in value.
  static void check(const PackedMatrix& w, const std::vector<float>& x, const KPlan& plan, const std::string& what,
                    Arithmetic a) {
    const std::vector<float> expected = run(ref::linear, x, w, plan, a);
    std::vector<float> first;
    for (const cpu::Kernels* set : cpu::supported_kernels()) {
      cpu::use_kernels(set);
      const std::vector<float> y = run(linear, x, w, plan, a);
      const std::string where = cat(what, " with ", set->name);
      if (first.empty()) {
        expect_close(y, expected, x, w, plan, where);
        first = y;
      } else {
        ASSERT_TRUE(same_bits(first, y)) << where;
      }
    }
  }
};

TEST_P(LinearTypes, MatchesReferenceOnAwkwardShapes) {
  const DType dtype = GetParam();
  struct Case {
    int64_t m, n, k, offset;
    int units;  // 0: sequential
  };
  for (const Case& c : {Case{1, 1, 32, 0, 0}, Case{2, 31, 64, 0, 0}, Case{7, 33, 96, 0, 1}, Case{13, 64, 100, 0, 5},
                        Case{1, 65, 288, 32, 3}, Case{3, 40, 77, 19, 4}, Case{64, 32, 576, 0, 9}, Case{5, 3, 1, 0, 0},
                        Case{4, 32, 300, 256, 2}, Case{49, 70, 130, 7, 8}}) {
    const PackedMatrix w = random_matrix(dtype, c.n, c.k, c.offset, 5);
    const std::vector<float> x = random_input(c.m, c.k, 6);
    const KPlan plan = c.units ? tree_plan(c.k, c.units) : KPlan::sequential(c.k);
    for (Arithmetic a : kArithmetics) check(w, x, plan, label(dtype, a, c.m, c.n, c.k), a);
  }
}

TEST_P(LinearTypes, StoresEverySubtreeOfAPlan) {
  const PackedMatrix w = random_matrix(GetParam(), 33, 320, 0, 7);
  const std::vector<float> x = random_input(6, 320, 8);
  for (int units : {2, 5, 8})
    for (Arithmetic a : kArithmetics) check(w, x, forest_plan(320, units), label(GetParam(), a, 6, 33, 320), a);
}

TEST_P(LinearTypes, RowsDoNotDependOnBatchOrThreads) {
  constexpr int64_t kRows = 100, kColumns = 192;
  const PackedMatrix w = random_matrix(GetParam(), 97, kColumns, 0, 9);
  const std::vector<float> x = random_input(kRows, kColumns, 10);
  const KPlan plan = tree_plan(kColumns, 3);
  for (Arithmetic a : kArithmetics) {
    const std::vector<float> together = run(linear, x, w, plan, a);
    EXPECT_TRUE(same_bits(together, run(linear, x, w, plan, a, 3))) << name(a);
    for (int64_t m : {0, 1, 47, 48, 99}) {
      const std::vector<float> row(x.begin() + m * kColumns, x.begin() + (m + 1) * kColumns);
      const std::vector<float> expected(together.begin() + m * w.n(), together.begin() + (m + 1) * w.n());
      EXPECT_TRUE(same_bits(run(linear, row, w, plan, a), expected)) << name(a) << " row " << m;
    }
  }
}

TEST_P(LinearTypes, NanAndInfinityPropagate) {
  const PackedMatrix w = random_matrix(GetParam(), 32, 64, 0, 11);
  std::vector<float> x = random_input(3, 64, 12);
  x[10] = std::numeric_limits<float>::quiet_NaN();
  x[64 + 33] = std::numeric_limits<float>::infinity();
  for (Arithmetic a : kArithmetics) {
    const std::vector<float> y = run(linear, x, w, KPlan::sequential(64), a);
    for (size_t n = 0; n < 32; ++n) {
      EXPECT_TRUE(std::isnan(y[n])) << name(a);
      EXPECT_FALSE(std::isfinite(y[32 + n])) << name(a);
      EXPECT_TRUE(std::isfinite(y[64 + n])) << name(a);
    }
  }
}

TEST_P(LinearTypes, EmptySumsAndBias) {
  PackedMatrix w = random_matrix(GetParam(), 37, 64, 0, 13);
  std::vector<float> bias(37);
  for (size_t n = 0; n < bias.size(); ++n) bias[n] = static_cast<float>(n) - 7.5f;
  const std::vector<float> x = random_input(2, 64, 14);
  const std::vector<float> plain = run(linear, x, w, KPlan::sequential(64), Arithmetic::f32);
  w.set_bias(bias);
  const std::vector<float> biased = run(linear, x, w, KPlan::sequential(64), Arithmetic::f32);
  for (size_t i = 0; i < plain.size(); ++i) EXPECT_EQ(biased[i], plain[i] + bias[i % 37]);
  for (Arithmetic a : kArithmetics) {
    const std::vector<float> y = run(linear, x, w, KPlan::sequential(0), a);
    for (size_t i = 0; i < y.size(); ++i) EXPECT_EQ(y[i], bias[i % 37]) << name(a);
  }
}

// Sums near the smallest normal, made of subnormal and normal factors: instruction sets may not differ in what they flush.
class PlainLinearTypes : public LinearTypes {};
TEST_P(PlainLinearTypes, SubnormalsGiveTheSameBits) {
  constexpr int64_t kColumns = 96;
  PackedMatrix w(kColumns, 0, kColumns);
  const auto rows = random_rows(GetParam(), 33, kColumns, 1e-20f, 21);
  w.append(GetParam(), 33, rows.data(), dtype_bytes(GetParam(), kColumns));
  std::vector<float> x = random_input(14, kColumns, 22);
  for (size_t i = 0; i < x.size(); ++i) x[i] *= i % 3 == 0 ? 1e-39f : i % 3 == 1 ? 1e-18f : 1e-20f;
  for (Arithmetic a : kArithmetics) check(w, x, tree_plan(kColumns, 3), label(GetParam(), a, 14, 33, kColumns), a);
}
INSTANTIATE_TEST_SUITE_P(All, PlainLinearTypes, ::testing::Values(DType::f32, DType::f16, DType::bf16),
                         [](const auto& p) { return std::string(name(p.param)); });

INSTANTIATE_TEST_SUITE_P(All, LinearTypes, ::testing::ValuesIn(kWeights),
                         [](const auto& p) { return std::string(name(p.param)); });

TEST(Linear, StacksSegmentsOfDifferentTypes) {
  PackedMatrix w(256, 0, 256);
  std::vector<PackedMatrix> parts;
  int64_t n = 5;
  for (DType dtype : kWeights) {
    const auto rows = random_rows(dtype, n, 256, 0.05f, 15);
    w.append(dtype, n, rows.data(), dtype_bytes(dtype, 256));
    parts.emplace_back(256, 0, 256);
    parts.back().append(dtype, n, rows.data(), dtype_bytes(dtype, 256));
    n += 13;
  }
  const std::vector<float> x = random_input(9, 256, 16);
  for (Arithmetic a : kArithmetics) {
    const std::vector<float> y = run(linear, x, w, KPlan::sequential(256), a, 2);
    int64_t begin = 0;
    for (const PackedMatrix& part : parts) {
      const std::vector<float> own = run(linear, x, part, KPlan::sequential(256), a);
      for (int64_t m = 0; m < 9; ++m)
        for (int64_t i = 0; i < part.n(); ++i)
          ASSERT_EQ(y[static_cast<size_t>(m * w.n() + begin + i)], own[static_cast<size_t>(m * part.n() + i)]);
      begin += part.n();
    }
  }
}

TEST(Linear, WritesOnlyItsPartOfAStridedOutput) {
  const PackedMatrix w = random_matrix(DType::bf16, 20, 48, 0, 17);
  std::vector<float> x = random_input(4, 48, 18), wide(4 * 50, -1.0f), padded_x(4 * 60, NAN);
  for (int64_t m = 0; m < 4; ++m) std::copy_n(x.begin() + m * 48, 48, padded_x.begin() + m * 60);
  Tensor y(wide.data() + 11, {4, 20}), input(padded_x.data(), {4, 48});
  y.stride[0] = 50, input.stride[0] = 60;
  ThreadPool pool(1);
  for (Arithmetic a : kArithmetics) {
    Arena arena(linear_workspace(4, 48, KPlan::sequential(48), a, 1));
    Context context{pool, arena};
    linear(y, input, w, KPlan::sequential(48), a, context);
    const std::vector<float> dense = run(linear, x, w, KPlan::sequential(48), a);
    for (int64_t m = 0; m < 4; ++m)
      for (int64_t i = 0; i < 50; ++i)
        ASSERT_EQ(wide[static_cast<size_t>(m * 50 + i)],
                  i >= 11 && i < 31 ? dense[static_cast<size_t>(m * 20 + i - 11)] : -1.0f);
  }
}

TEST(Linear, NoRowsIsANoOp) {
  const PackedMatrix w = random_matrix(DType::q8_0, 32, 64, 0, 19);
  EXPECT_TRUE(run(linear, {}, w, KPlan::sequential(64), Arithmetic::q8).empty());
}

TEST(Linear, RefusesWrongArguments) {
  const PackedMatrix w = random_matrix(DType::f32, 8, 16, 0, 20);
  std::vector<float> x(32), y(64);
  ThreadPool pool(1);
  Arena arena(1 << 20);
  Context context{pool, arena};
  const KPlan plan = KPlan::sequential(16);
  const auto call = [&](Tensor out, Tensor in, const KPlan& p) { linear(out, in, w, p, Arithmetic::f32, context); };
  EXPECT_NO_THROW(call(Tensor(y.data(), {2, 8}), Tensor(x.data(), {2, 16}), plan));
  EXPECT_THROW(call(Tensor(y.data(), {2, 8}), Tensor(x.data(), {2, 15}), plan), CheckError);
  EXPECT_THROW(call(Tensor(y.data(), {2, 7}), Tensor(x.data(), {2, 16}), plan), CheckError);
  EXPECT_THROW(call(Tensor(y.data(), {3, 8}), Tensor(x.data(), {2, 16}), plan), CheckError);
  EXPECT_THROW(call(Tensor(x.data() + 8, {2, 8}), Tensor(x.data(), {2, 16}), plan), CheckError);
  EXPECT_THROW(call(Tensor(y.data(), {2, 8}), Tensor(x.data(), {2, 16}), KPlan::sequential(17)), CheckError);
  EXPECT_THROW(call(Tensor(y.data(), {2, 8}), Tensor(x.data(), {2, 16}), KPlan{{{0, 16, 1, 0}}, 1, 1}), CheckError);
  EXPECT_THROW(call(Tensor(y.data(), {2, 8}), Tensor(x.data(), {2, 16}), KPlan{{{0, 16, 0, -1}}, 1, 1}), CheckError);
  Tensor elsewhere(y.data(), DType::f32, {2, 8}, Device::cuda);
  EXPECT_THROW(call(elsewhere, Tensor(x.data(), {2, 16}), plan), InputError);
}

}  // namespace
}  // namespace weft::testing
