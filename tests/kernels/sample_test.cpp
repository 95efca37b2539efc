#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <random>

#include "kernels/core/rng.h"
#include "kernels/sample/sample.h"
#include "kernels/cases/op_case.h"

namespace weft::test {
namespace {

int32_t draw(SampleOp& op, std::vector<float> logits, const SamplingParams& params, int64_t position, std::vector<SeenToken> seen) {
  ThreadPool pool(1);
  const auto n = static_cast<int64_t>(logits.size());
  Arena workspace(sample_workspace(1, 1));
  Context context{pool, workspace};
  const SampleRow row{params, position, seen};
  int32_t id = -2;
  op({&id, {1}}, {logits.data(), {1, n}}, {&row, 1}, VocabSlice::whole(n), context);
  return id;
}

int32_t draw(std::vector<float> logits, const SamplingParams& params, int64_t position = 0, std::vector<SeenToken> seen = {}) {
  return draw(sample, std::move(logits), params, position, std::move(seen));
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
  EXPECT_EQ(draw(logits, {.repetition_penalty = 1.5f}, 0, {{1500}}), 4097);
  std::fill(logits.begin(), logits.end(), std::numeric_limits<float>::lowest());
  EXPECT_EQ(draw(logits, {}), 0);
}

TEST(Sample, ZerosOfBothSignsAreEqual) {
  std::vector<float> logits(100, 0.0f);
  for (size_t i = 0; i < logits.size(); i += 3) logits[i] = -0.0f;
  EXPECT_EQ(draw(logits, {}), 0);
  for (int64_t position = 0; position < 50; ++position) {
    const SamplingParams params{.temperature = 1, .top_k = 70, .seed = 3};
    EXPECT_EQ(draw(logits, params, position), draw(std::vector<float>(100, 0.0f), params, position));
  }
}

TEST(Sample, PenaltyMultipliesNegativeLogits) {
  EXPECT_EQ(draw({-1.0f, -1.1f}, {.repetition_penalty = 1.2f}, 0, {{0}}), 1);
  EXPECT_EQ(draw({-1.0f, -1.1f}, {.repetition_penalty = 1.05f}, 0, {{0, 3}}), 0);  // however often it was generated
}

TEST(Sample, PresenceAndFrequencyCountGeneratedTokensOnly) {
  EXPECT_EQ(draw({3, 2.5f}, {.presence_penalty = 1}, 0, {{0, 0}}), 0);  // in the prompt
  EXPECT_EQ(draw({3, 2.5f}, {.presence_penalty = 1}, 0, {{0, 5}}), 1);
  EXPECT_EQ(draw({3, 2.5f}, {.presence_penalty = 0.4f}, 0, {{0, 5}}), 0);  // once, not five times
  EXPECT_EQ(draw({3, 2.5f}, {.frequency_penalty = 0.4f}, 0, {{0, 1}}), 0);
  EXPECT_EQ(draw({3, 2.5f}, {.frequency_penalty = 0.4f}, 0, {{0, 2}}), 1);
  EXPECT_EQ(draw({3, 2.5f}, {.frequency_penalty = -0.4f}, 0, {{1, 2}}), 1);  // below 0 encourages
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

constexpr float kInf = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kLargest = std::numeric_limits<float>::max(), kSmallest = std::numeric_limits<float>::denorm_min();

TEST(Sample, LogitsThatAreNotFiniteGiveNoToken) {
  for (const float bad : {kNan, kInf, -kInf})
    for (const int64_t n : {1, 3, 16, 17, 1025, 5000})
      for (const int64_t at : {int64_t{0}, n / 2, n - 1})
        for (const SamplingParams& params : {SamplingParams{}, SamplingParams{.temperature = 1},
                                             SamplingParams{.temperature = 1, .repetition_penalty = 2}}) {
          std::vector<float> logits(n, 1.0f);
          logits[at] = bad;
          EXPECT_EQ(draw(logits, params, 0, {{static_cast<int32_t>(at)}}), -1) << bad << " at " << at << " of " << n;
        }
}

TEST(Sample, RefusesParametersOutOfRange) {
  const auto refused = [](SamplingParams params, const char* sentence) {
    try {
      check_sampling(params);
      ADD_FAILURE() << sentence;
    } catch (const InputError& e) {
      EXPECT_STREQ(e.what(), sentence);
    }
  };
  refused({.temperature = -1}, "temperature is -1; it must be 0 to 100");
  refused({.temperature = 100.5f}, "temperature is 100.5; it must be 0 to 100");
  refused({.temperature = kNan}, "temperature is nan; it must be 0 to 100");
  refused({.top_k = -1}, "top_k is -1; it must be 0 (off) or more");
  refused({.top_p = 0}, "top_p is 0; it must be above 0 and at most 1");
  refused({.min_p = 1.5f}, "min_p is 1.5; it must be 0 to 1");
  refused({.repetition_penalty = 0}, "repetition_penalty is 0; it must be above 0 and at most 100");
  refused({.repetition_penalty = kInf}, "repetition_penalty is inf; it must be above 0 and at most 100");
  refused({.presence_penalty = -2.5f}, "presence_penalty is -2.5; it must be -2 to 2");
  refused({.frequency_penalty = kNan}, "frequency_penalty is nan; it must be -2 to 2");
}

// The limit: the largest score alone, which overflow must not hide.
TEST(Sample, ATemperatureNearZeroIsGreedy) {
  for (const float temperature : {kSmallest, 1e-45f, 1e-40f, 1.2e-38f, 5e-38f, 1e-30f})
    for (const float size : {1e-3f, 1.0f, 30.0f, 1e30f, kLargest})
      for (int64_t position = 0; position < 20; ++position) {
        EXPECT_EQ(draw({0, -size, size, size / 2, -size}, {.temperature = temperature, .seed = 1}, position), 2)
            << temperature;
        const int32_t of_two = draw({size, -size, size}, {.temperature = temperature, .seed = 1}, position);
        EXPECT_TRUE(of_two == 0 || of_two == 2) << temperature;
      }
}

TEST(Sample, APenaltyNearZeroSaturates) {
  for (const float penalty : {kSmallest, 1e-45f, 1e-38f, 1e-6f})
    for (const float temperature : {0.0f, 1e-45f, 1.0f, 100.0f}) {
      const SamplingParams params{.temperature = temperature, .repetition_penalty = penalty, .seed = 1};
      EXPECT_EQ(draw({1, 2, 3e4f, 4}, params, 0, {{2}}), 2) << penalty;                // seen and positive: beyond all others
      EXPECT_EQ(draw({-1e6f, -1e-3f, -1e6f, -1e6f}, params, 0, {{1}}), 1) << penalty;  // seen and negative: next to 0
    }
}

// Any value of any parameter, any finite logits: a draw ends, with a token the reference takes too. Logits lie so far apart, or
// are so equal, that rounding decides nothing.
TEST(Sample, AnyAcceptedParametersEndWithTheReferencesToken) {
  const float temperatures[] = {0, kSmallest, 1e-45f, 5e-38f, 1e-10f, 0.5f, 1, 100};
  const float tops[] = {kSmallest, 1e-45f, 1e-9f, 0.5f, 0.999999f, 1};
  const float mins[] = {0, kSmallest, 1e-9f, 0.1f, 1};
  const float penalties[] = {kSmallest, 1e-45f, 1e-6f, 1, 1.5f, 100};
  const int top_ks[] = {0, 1, 2, 40, 1 << 30};
  const float scales[] = {0, 1, 40, 1e30f, kLargest / 1000};
  std::mt19937 random(3);
  const auto one_of = [&](const auto& values) { return values[random() % std::size(values)]; };
  for (int i = 0; i < 3000; ++i) {
    const SamplingParams params{.temperature = one_of(temperatures),
                                .top_k = one_of(top_ks),
                                .top_p = one_of(tops),
                                .min_p = one_of(mins),
                                .repetition_penalty = one_of(penalties),
                                .seed = random()};
    std::vector<float> logits(1 + random() % 700);
    const float scale = one_of(scales);
    for (float& x : logits) x = scale * (static_cast<float>(random() % 2001) - 1000);
    const std::vector<SeenToken> seen(random() % 2, SeenToken{static_cast<int32_t>(random() % logits.size())});
    ASSERT_EQ(draw(logits, params, i, seen), draw(ref::sample, logits, params, i, seen))
        << "temperature " << params.temperature << " top_k " << params.top_k << " top_p " << params.top_p << " min_p "
        << params.min_p << " penalty " << params.repetition_penalty << " scale " << scale << " of " << logits.size();
  }
}

}  // namespace
}  // namespace weft::test
