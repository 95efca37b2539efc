// core/simd.h on every instruction set this machine has: exp against double, widening and rounding against the scalar
// conversions, fma fused, the order of sum.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tests/kernels/simd_test.cpp"
#include "kernels/core/simd_targets.h"

#include "kernels/core/simd.h"

HWY_BEFORE_NAMESPACE();
namespace weft::HWY_NAMESPACE {
namespace {

void run_exp(const float* x, float* y) { store(exp(load(x)), y); }
void run_tanh(const float* x, float* y) { store(tanh(load(x)), y); }
void run_fma(const float* a, const float* b, const float* c, float* y) { store(fma(load(a), load(b), load(c)), y); }
float run_sum(const float* x) { return sum(load(x)); }
void run_load_f16(const uint16_t* x, float* y) { store(load(reinterpret_cast<const f16*>(x)), y); }
void run_load_bf16(const uint16_t* x, float* y) { store(load(reinterpret_cast<const bf16*>(x)), y); }
void run_store_f16(const float* x, uint16_t* y) { store(load(x), reinterpret_cast<f16*>(y)); }
void run_store_bf16(const float* x, uint16_t* y) { store(load(x), reinterpret_cast<bf16*>(y)); }
void run_keep_lanes(const float* x, int64_t begin, int64_t end, float* y) { store(keep_lanes(load(x), begin, end, set(-1)), y); }
void run_load_n(const float* x, int64_t n, float* y) { store(load_n(x, n), y); }
void run_store_n(const float* x, int64_t n, float* y) { store_n(load(x), y, n); }
bool run_any_nan(const float* x) { return any_nan(load(x)); }

}  // namespace
}  // namespace weft::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <random>

namespace weft {

HWY_EXPORT(run_exp);
HWY_EXPORT(run_tanh);
HWY_EXPORT(run_fma);
HWY_EXPORT(run_sum);
HWY_EXPORT(run_load_f16);
HWY_EXPORT(run_load_bf16);
HWY_EXPORT(run_store_f16);
HWY_EXPORT(run_store_bf16);
HWY_EXPORT(run_keep_lanes);
HWY_EXPORT(run_load_n);
HWY_EXPORT(run_store_n);
HWY_EXPORT(run_any_nan);

namespace {

using Lanes = std::array<float, 16>;
constexpr float kInf = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();

class Simd : public testing::TestWithParam<int64_t> {
 protected:
  void SetUp() override { hwy::GetChosenTarget().Update(GetParam()); }
  void TearDown() override { hwy::GetChosenTarget().DeInit(); }
};

std::vector<int64_t> targets() {
  std::vector<int64_t> found = {0};  // 0: none of the optional ones, the baseline
  for (int64_t target : {HWY_AVX2, HWY_AVX3})
    if (hwy::SupportedTargets() & target) found.push_back(target);
  return found;
}
INSTANTIATE_TEST_SUITE_P(All, Simd, testing::ValuesIn(targets()), [](const auto& info) -> std::string {
  return info.param ? hwy::TargetName(info.param) : "baseline";
});

// In units of the last place of the exact result.
double ulps(float got, double want) {
  const float near = static_cast<float>(want);
  const double unit = std::max(double{std::nextafter(near, kInf)} - near, double{std::numeric_limits<float>::denorm_min()});
  return std::fabs(got - want) / unit;
}

TEST_P(Simd, ExpIsWithinTwoUlps) {
  double worst = 0;
  for (float start = -104.5f; start < 88.7f; start += 0.0137f) {
    Lanes x, y;
    for (int i = 0; i < 16; ++i) x[i] = std::min(start + 0.0137f / 16 * static_cast<float>(i), 88.7f);
    HWY_DYNAMIC_DISPATCH(run_exp)(x.data(), y.data());
    for (int i = 0; i < 16; ++i) worst = std::max(worst, ulps(y[i], std::exp(double{x[i]})));
  }
  EXPECT_LT(worst, 1.1);
  EXPECT_GT(worst, 0.1);
}

TEST_P(Simd, ExpOfSpecialValues) {
  const Lanes x = {0, -0.0f, -kInf, kInf, kNan, -1e30f, 1e30f, 88.8f, -103.0f, -104.1f, 1e-30f, -1e-45f, 88.72f, -87.4f};
  Lanes y;
  HWY_DYNAMIC_DISPATCH(run_exp)(x.data(), y.data());
  EXPECT_EQ(y[0], 1.0f);
  EXPECT_EQ(y[1], 1.0f);
  EXPECT_EQ(y[2], 0.0f);
  EXPECT_EQ(y[3], kInf);
  EXPECT_TRUE(std::isnan(y[4]));
  EXPECT_EQ(y[5], 0.0f);
  EXPECT_EQ(y[6], kInf);
  EXPECT_EQ(y[7], kInf);
  EXPECT_EQ(y[8], std::numeric_limits<float>::denorm_min());
  EXPECT_EQ(y[9], 0.0f);
  EXPECT_EQ(y[10], 1.0f);
  EXPECT_EQ(y[11], 1.0f);
  EXPECT_LT(y[12], kInf);
  EXPECT_GT(y[13], 0.0f);
}

TEST_P(Simd, Tanh) {
  const Lanes x = {0, 1e-4f, 0.3f, 1, 5, 20, 100, kInf, -1e-4f, -0.3f, -1, -5, -20, -100, -kInf, kNan};
  Lanes y;
  HWY_DYNAMIC_DISPATCH(run_tanh)(x.data(), y.data());
  for (int i = 0; i < 15; ++i) EXPECT_NEAR(y[i], std::tanh(double{x[i]}), 2e-7) << x[i];
  EXPECT_TRUE(std::isnan(y[15]));
}

TEST_P(Simd, FmaIsFused) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  int rounding_matters = 0;
  for (int round = 0; round < 100; ++round) {
    Lanes a, b, c, y;
    for (int i = 0; i < 16; ++i) {
      a[i] = normal(random), b[i] = normal(random);
      c[i] = -a[i] * b[i] * (round % 2 ? 1.0f : 0.5f);
    }
    HWY_DYNAMIC_DISPATCH(run_fma)(a.data(), b.data(), c.data(), y.data());
    for (int i = 0; i < 16; ++i) {
      ASSERT_EQ(y[i], std::fma(a[i], b[i], c[i]));
      rounding_matters += y[i] != a[i] * b[i] + c[i];
    }
  }
  EXPECT_GT(rounding_matters, 500);
}

TEST_P(Simd, SumAddsInOneTree) {
  std::mt19937 random(4);
  std::normal_distribution<float> normal;
  for (int round = 0; round < 100; ++round) {
    Lanes x;
    for (float& v : x) v = normal(random) * std::exp(normal(random) * 5);
    float level[16];
    std::copy(x.begin(), x.end(), level);
    for (int half = 8; half; half /= 2)
      for (int i = 0; i < half; ++i) level[i] = level[i] + level[i + half];
    ASSERT_EQ(HWY_DYNAMIC_DISPATCH(run_sum)(x.data()), level[0]);
  }
}

TEST_P(Simd, WidensEveryF16AndBf16) {
  for (uint32_t first = 0; first < 65536; first += 16) {
    std::array<uint16_t, 16> bits;
    for (uint32_t i = 0; i < 16; ++i) bits[i] = static_cast<uint16_t>(first + i);
    Lanes half, brain;
    HWY_DYNAMIC_DISPATCH(run_load_f16)(bits.data(), half.data());
    HWY_DYNAMIC_DISPATCH(run_load_bf16)(bits.data(), brain.data());
    for (int i = 0; i < 16; ++i) {
      const float want_half = f16_to_f32(bits[i]), want_brain = bf16_to_f32(bits[i]);
      if (std::isnan(want_half))
        ASSERT_TRUE(std::isnan(half[i])) << bits[i];
      else
        ASSERT_EQ(std::bit_cast<uint32_t>(half[i]), std::bit_cast<uint32_t>(want_half)) << bits[i];
      ASSERT_EQ(std::bit_cast<uint32_t>(brain[i]), std::bit_cast<uint32_t>(want_brain)) << bits[i];
    }
  }
}

// Bit patterns spread over all of f32, with those next to every tie of f16 and bf16 among them; NaN keeps its sign.
TEST_P(Simd, RoundsToF16AndBf16) {
  std::vector<uint32_t> patterns;
  for (uint64_t bits = 0; bits < (uint64_t{1} << 32); bits += 0x6123) patterns.push_back(static_cast<uint32_t>(bits));
  for (uint32_t high = 0; high < 65536; high += 7)
    for (uint32_t low : {0u, 1u, 0xfffu, 0x1000u, 0x1001u, 0x3000u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu})
      patterns.push_back(high << 16 | low);
  patterns.resize(patterns.size() / 16 * 16);
  for (size_t first = 0; first < patterns.size(); first += 16) {
    Lanes x;
    for (int i = 0; i < 16; ++i) x[i] = std::bit_cast<float>(patterns[first + i]);
    std::array<uint16_t, 16> half, brain;
    HWY_DYNAMIC_DISPATCH(run_store_f16)(x.data(), half.data());
    HWY_DYNAMIC_DISPATCH(run_store_bf16)(x.data(), brain.data());
    for (int i = 0; i < 16; ++i) {
      ASSERT_EQ(half[i], f32_to_f16(x[i])) << std::hex << patterns[first + i];
      ASSERT_EQ(brain[i], f32_to_bf16(x[i])) << std::hex << patterns[first + i];
    }
  }
}

TEST_P(Simd, PartsOfVectors) {
  Lanes x;
  for (int i = 0; i < 16; ++i) x[i] = static_cast<float>(i + 1);
  for (int64_t begin = -3; begin < 18; ++begin)
    for (int64_t end = -2; end < 20; ++end) {
      Lanes y;
      HWY_DYNAMIC_DISPATCH(run_keep_lanes)(x.data(), begin, end, y.data());
      for (int i = 0; i < 16; ++i) ASSERT_EQ(y[i], i >= begin && i < end ? x[i] : -1.0f) << begin << ' ' << end;
    }
  for (int64_t n = 1; n < 20; ++n) {
    Lanes loaded, stored;
    stored.fill(-5);
    HWY_DYNAMIC_DISPATCH(run_load_n)(x.data(), n, loaded.data());
    HWY_DYNAMIC_DISPATCH(run_store_n)(x.data(), n, stored.data());
    for (int i = 0; i < 16; ++i) {
      ASSERT_EQ(loaded[i], i < n ? x[i] : 0.0f);
      ASSERT_EQ(stored[i], i < n ? x[i] : -5.0f);
    }
  }
  EXPECT_FALSE(HWY_DYNAMIC_DISPATCH(run_any_nan)(x.data()));
  x[13] = kInf;
  EXPECT_FALSE(HWY_DYNAMIC_DISPATCH(run_any_nan)(x.data()));
  x[15] = kNan;
  EXPECT_TRUE(HWY_DYNAMIC_DISPATCH(run_any_nan)(x.data()));
}

}  // namespace
}  // namespace weft
#endif
