#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>
#include <span>

#include "kernels/moe_permute/moe_permute.h"
#include "kernels/moe_route/moe_route.h"
#include "kernels/cases/op_case.h"

namespace weft::test {
namespace {

struct Machine {
  ThreadPool pool{2};
  Arena arena{0};
  Context context{pool, arena};
};

TEST(MoeRoute, ByHand) {
  Machine m;
  Inputs in(1);
  const float third = std::log(1.0f / 3);
  std::vector<float> logits = {0, third, 0, -std::numeric_limits<float>::infinity()};  // weights 3 : 1 : 3 : 0
  std::vector<float> weights(2);
  std::vector<int32_t> ids(2);
  const auto route = [&](RouterParams params) {
    moe_route({ids.data(), {1, 2}}, {weights.data(), {1, 2}}, {logits.data(), {1, 4}}, params, m.context);
  };
  route({.normalise = false});
  EXPECT_EQ(ids, (std::vector<int32_t>{0, 2}));  // tie: the lower expert first
  EXPECT_NEAR(weights[0], 3.0 / 7, 1e-6);
  route({.normalise = true});
  EXPECT_EQ(weights, (std::vector<float>{0.5f, 0.5f}));
  logits = {-1, 4, -1, 4 + std::log(4.0f)};
  route({.score = RouterParams::Score::top_k_softmax, .normalise = false});
  EXPECT_EQ(ids, (std::vector<int32_t>{3, 1}));
  EXPECT_NEAR(weights[0], 0.8, 1e-6);
  EXPECT_NEAR(weights[1], 0.2, 1e-6);
}

// Whatever the logits are, ids are k different experts, so that the exchange of tokens goes on for all others.
TEST(MoeRoute, NanStaysInItsRow) {
  Machine m;
  Inputs in(2);
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  const Tensor logits = in.normal({300, 20});
  const Tensor good_ids = in.empty(DType::i32, {300, 3}), good_weights = in.empty(DType::f32, {300, 3});
  moe_route(good_ids, good_weights, logits, {}, m.context);
  const auto row = [&](int64_t t) { return std::span(logits.as<float>() + t * 20, 20); };
  row(217)[19] = nan;
  std::ranges::fill(row(218), nan);
  row(219)[3] = inf;
  std::ranges::fill(row(220), inf);
  std::ranges::fill(row(221), -inf);
  for (const auto& route : {ref::moe_route, moe_route}) {
    const Tensor ids = in.empty(DType::i32, {300, 3}), weights = in.empty(DType::f32, {300, 3});
    route(ids, weights, logits, {}, m.context);
    for (int64_t t = 0; t < 300; ++t) {
      const std::span id(ids.as<int32_t>() + t * 3, 3), good(good_ids.as<int32_t>() + t * 3, 3);
      const float *w = weights.as<float>() + t * 3, *expected = good_weights.as<float>() + t * 3;
      if (t < 217 || t > 221) {
        ASSERT_TRUE(std::ranges::equal(id, good)) << t;
        ASSERT_NEAR(w[0], expected[0], 1e-6) << t;
        continue;
      }
      EXPECT_EQ(std::set(id.begin(), id.end()).size(), 3u) << t;
      EXPECT_TRUE(std::ranges::all_of(id, [](int32_t e) { return e >= 0 && e < 20; })) << t;
      for (int i = 0; i < 3; ++i) EXPECT_TRUE(std::isnan(w[i])) << t;
    }
  }
}

TEST(MoePermute, SortPermuteUnpermuteIsAWeightedCopy) {
  Machine m;
  Inputs in(3);
  const int64_t tokens = 50, k = 3, experts = 7, hidden = 70;
  const Tensor x = in.normal({tokens, hidden}), ids = in.integers({tokens, k}, 0, experts);
  const Tensor order = in.empty(DType::i32, {tokens * k}), offsets = in.empty(DType::i32, {experts + 1});
  const Tensor place = in.empty(DType::i32, {tokens, k}), instances = in.empty(DType::i32, {experts, 1});
  std::iota(instances.as<int32_t>(), instances.as<int32_t>() + experts, 0);
  moe_sort(order, place, offsets, ids, instances, m.context);
  for (int64_t e = 0; e < experts; ++e)
    for (int32_t i = offsets.as<int32_t>()[e]; i < offsets.as<int32_t>()[e + 1]; ++i) {
      EXPECT_EQ(ids.as<int32_t>()[order.as<int32_t>()[i]], e);
      if (i > offsets.as<int32_t>()[e]) {
        EXPECT_LT(order.as<int32_t>()[i - 1], order.as<int32_t>()[i]) << "not stable";
      }
    }
  ASSERT_EQ(offsets.as<int32_t>()[experts], tokens * k);

  const Tensor sorted = in.empty(DType::f32, {tokens * k, hidden}), out = in.empty(DType::f32, {tokens, hidden});
  moe_permute(sorted, x, order, k, m.context);
  const Tensor weights = in.empty(DType::f32, {tokens, k});
  for (int64_t t = 0; t < tokens; ++t)  // 0.5 + 0.25 + 0.25: exact
    for (int64_t s = 0; s < k; ++s) weights.as<float>()[t * k + s] = s == 0 ? 0.5f : 0.25f;
  moe_unpermute(out, sorted, place, weights, m.context);
  for (int64_t i = 0; i < tokens * hidden; ++i) ASSERT_EQ(out.as<float>()[i], x.as<float>()[i]);
}

}  // namespace
}  // namespace weft::test
