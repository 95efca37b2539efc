#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>

#include "kernels/core/rng.h"
#include "kernels/sample/sample.h"
#include "tests/support/op_case.h"

namespace weft::test {
namespace {

int32_t draw(std::vector<float> logits, const SamplingParams& params, int64_t position = 0, std::vector<int32_t> seen = {}) {
  ThreadPool pool(1);
  const auto n = static_cast<int64_t>(logits.size());
  Arena workspace(sample_workspace(n));
  Context context{pool, workspace};
  return sample({logits.data(), {n}}, params, seen, position, context);
}

// Known answers of the authors' Random123 distribution (kat_vectors, philox4x32 10).
TEST(Philox, KnownAnswers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (std::array<uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}),
            (std::array<uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (std::array<uint32_t, 4>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Sample, GreedyTakesTheLowestOfEquals) {
  std::vector<float> logits(5000, -1);
  logits[4097] = logits[4999] = logits[1500] = 2;
  EXPECT_EQ(draw(logits, {}), 1500);
  EXPECT_EQ(draw(logits, {.repetition_penalty = 1.5f}, 0, {1500, 1500}), 4097);
  std::fill(logits.begin(), logits.end(), -std::numeric_limits<float>::infinity());
  EXPECT_EQ(draw(logits, {}), 0);
}

TEST(Sample, PenaltyMultipliesNegativeLogits) {
  EXPECT_EQ(draw({-1.0f, -1.1f}, {.repetition_penalty = 1.2f}, 0, {0}), 1);
  EXPECT_EQ(draw({-1.0f, -1.1f}, {.repetition_penalty = 1.05f}, 0, {0, 0, 0}), 0);  // duplicates count once
}

// Draws follow the distribution that is left after the filters. 4000 draws: a share p is off by at most 5 deviations.
void expect_shares(const std::vector<double>& shares, const SamplingParams& params) {
  const std::vector<float> logits = {std::log(0.05f), std::log(0.4f), std::log(0.2f), std::log(0.25f), std::log(0.1f)};
  std::map<int32_t, int> counts;
  const int draws = 4000;
  for (int i = 0; i < draws; ++i) ++counts[draw(logits, params, i)];
  for (int32_t id = 0; id < 5; ++id) {
    const double p = shares[id];
    if (p == 0)
      EXPECT_EQ(counts[id], 0) << id;
    else
      EXPECT_NEAR(counts[id], p * draws, 5 * std::sqrt(draws * p * (1 - p)) + 1) << id;
  }
}

TEST(Sample, FollowsTheFilteredDistribution) {
  expect_shares({0.05, 0.4, 0.2, 0.25, 0.1}, {.temperature = 1, .seed = 1});
  expect_shares({0, 0.4 / 0.65, 0, 0.25 / 0.65, 0}, {.temperature = 1, .top_k = 2, .seed = 2});
  expect_shares({0, 0.4 / 0.85, 0.2 / 0.85, 0.25 / 0.85, 0}, {.temperature = 1, .top_p = 0.7f, .seed = 3});
  expect_shares({0, 0.4 / 0.65, 0, 0.25 / 0.65, 0}, {.temperature = 1, .top_p = 0.6f, .seed = 4});
  expect_shares({0, 0.4 / 0.85, 0.2 / 0.85, 0.25 / 0.85, 0}, {.temperature = 1, .min_p = 0.3f, .seed = 5});
  expect_shares({0, 1, 0, 0, 0}, {.temperature = 1, .top_p = 1e-6f, .seed = 6});
  expect_shares({0, 1, 0, 0, 0}, {.temperature = 1, .min_p = 1, .seed = 7});
  // Top-p looks at what top-k left: 0.4 / 0.65 = 0.615 alone does not reach 0.62.
  expect_shares({0, 0.4 / 0.65, 0, 0.25 / 0.65, 0}, {.temperature = 1, .top_k = 2, .top_p = 0.62f, .seed = 8});
  expect_shares({0, 1, 0, 0, 0}, {.temperature = 1, .top_k = 2, .top_p = 0.6f, .seed = 9});
  const double hot = std::sqrt(0.05) + std::sqrt(0.4) + std::sqrt(0.2) + std::sqrt(0.25) + std::sqrt(0.1);
  expect_shares({std::sqrt(0.05) / hot, std::sqrt(0.4) / hot, std::sqrt(0.2) / hot, std::sqrt(0.25) / hot, std::sqrt(0.1) / hot},
                {.temperature = 2, .seed = 10});
}

TEST(Sample, DrawsDependOnSeedAndPositionOnly) {
  std::vector<float> logits(300, 0);
  const SamplingParams params{.temperature = 1, .seed = 42};
  const int32_t first = draw(logits, params, 9);
  EXPECT_EQ(draw(logits, params, 9), first);
  int differing = 0;
  for (uint64_t seed = 0; seed < 50; ++seed)
    differing += draw(logits, {.temperature = 1, .seed = seed << 33}, 9) != draw(logits, {.temperature = 1, .seed = seed << 33}, int64_t{9} << 32);
  EXPECT_GT(differing, 40);
}

TEST(Sample, MaskedTokensAreNeverDrawnAndNanIsRefused) {
  const float inf = std::numeric_limits<float>::infinity();
  for (int i = 0; i < 200; ++i) EXPECT_EQ(draw({-inf, 1, -inf}, {.temperature = 5, .seed = 3}, i), 1);
  EXPECT_THROW(draw({1, std::nanf(""), 2}, {}), CheckError);
  EXPECT_THROW(draw({1, std::nanf(""), 2}, {.temperature = 1}), CheckError);
  EXPECT_THROW(draw({1, 2}, {}, 0, {2}), CheckError);
  EXPECT_THROW(draw({1, 2}, {.temperature = -1}), CheckError);
}

}  // namespace
}  // namespace weft::test
