// Cases of moe_route, moe_sort, moe_permute and moe_unpermute.
#include <algorithm>
#include <numeric>

#include "kernels/moe_permute/moe_permute.h"
#include "kernels/moe_route/moe_route.h"
#include "tests/support/op_case.h"

namespace weft::test {
namespace {

OpCase route_case(int64_t tokens, int64_t experts, int64_t k, const RouterParams& params) {
  const bool over_all = params.score == RouterParams::Score::softmax_top_k;
  return {.name = cat("moe_route/", over_all ? "softmax_top_k_" : "top_k_softmax_", params.normalise ? "" : "raw_", tokens,
                      "x", experts, "_top", k),
          .tolerance = rounding(experts),
          .bytes = 4.0 * tokens * experts,
          .flops = 25.0 * tokens * experts,
          .make = [=](Inputs& in) -> OpRun {
            const Tensor logits = in.normal({tokens, experts});
            if (tokens > 1) std::fill_n(logits.as<float>(), experts, 0.25f);  // all tied: the lowest experts win
            const Tensor ids = in.empty(DType::i32, {tokens, k}), weights = in.empty(DType::f32, {tokens, k});
            return {{ids, weights},
                    [=](Backend b, Context& c) { pick(b, ref::moe_route, moe_route)(ids, weights, logits, params, c); }};
          }};
}

// ids reach past [0, experts) on both sides: those pairs belong to other ranks.
OpCase sort_case(int64_t tokens, int64_t k, int32_t experts) {
  return {.name = cat("moe_sort/", tokens, "x", k, "_experts", experts),
          .bytes = 8.0 * tokens * k,
          .make = [=](Inputs& in) -> OpRun {
            const Tensor ids = in.integers({tokens, k}, -1, experts + 2);
            const Tensor order = in.empty(DType::i32, {tokens * k}), offsets = in.empty(DType::i32, {experts + 1});
            return {{order, offsets}, [=](Backend b, Context& c) { pick(b, ref::moe_sort, moe_sort)(order, offsets, ids, c); }};
          }};
}

OpCase permute_case(int64_t tokens, int k, int64_t hidden) {
  return {.name = cat("moe_permute/", tokens, "x", k, "x", hidden),
          .bytes = 8.0 * tokens * k * hidden,
          .make = [=](Inputs& in) -> OpRun {
            const int64_t rows = tokens * k;
            const Tensor x = in.normal({tokens, hidden}), out = in.empty(DType::f32, {rows, hidden});
            const Tensor order = in.integers({rows + 3}, 0, std::max<int32_t>(1, static_cast<int32_t>(rows)));
            return {{out}, [=](Backend b, Context& c) { pick(b, ref::moe_permute, moe_permute)(out, x, order, k, c); }};
          }};
}

OpCase unpermute_case(int64_t tokens, int64_t k, int64_t hidden) {
  return {.name = cat("moe_unpermute/", tokens, "x", k, "x", hidden),
          .tolerance = rounding(k),
          .bytes = 4.0 * tokens * (k + 1) * hidden,
          .flops = 2.0 * tokens * k * hidden,
          .make = [=](Inputs& in) -> OpRun {
            const Tensor y = in.normal({tokens * k, hidden}), weights = in.normal({tokens, k});
            const Tensor place = in.empty(DType::i32, {tokens, k}), out = in.empty(DType::f32, {tokens, hidden});
            std::iota(place.as<int32_t>(), place.as<int32_t>() + tokens * k, 0);
            std::shuffle(place.as<int32_t>(), place.as<int32_t>() + tokens * k, in.random());
            return {{out}, [=](Backend b, Context& c) { pick(b, ref::moe_unpermute, moe_unpermute)(out, y, place, weights, c); }};
          }};
}

}  // namespace

void add_moe_cases(std::vector<OpCase>& cases) {
  using Score = RouterParams::Score;
  for (Score score : {Score::softmax_top_k, Score::top_k_softmax})
    for (bool normalise : {true, false})
      for (auto [tokens, experts, k] : std::initializer_list<std::array<int, 3>>{{0, 4, 2}, {5, 4, 2}, {3, 7, 7}, {40, 60, 4}, {512, 128, 8}})
        cases.push_back(route_case(tokens, experts, k, {score, normalise}));
  for (auto [tokens, k, experts] : std::initializer_list<std::array<int, 3>>{{0, 2, 4}, {1, 2, 4}, {33, 3, 1}, {512, 8, 128}, {20, 2, 0}})
    cases.push_back(sort_case(tokens, k, experts));
  for (auto [tokens, k, hidden] : std::initializer_list<std::array<int, 3>>{{0, 2, 64}, {7, 3, 33}, {512, 2, 576}}) {
    cases.push_back(permute_case(tokens, k, hidden));
    cases.push_back(unpermute_case(tokens, k, hidden));
  }
}

}  // namespace weft::test
