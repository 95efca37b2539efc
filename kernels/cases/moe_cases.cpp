// Cases of moe_route, moe_sort, moe_permute, moe_unpermute, and of the exchange between ranks.
#include <algorithm>
#include <numeric>

#include "kernels/moe_exchange/moe_exchange.h"
#include "kernels/moe_permute/moe_permute.h"
#include "kernels/moe_route/moe_route.h"
#include "kernels/cases/op_case.h"

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

// The instances of each expert: one, or now and then two, in any order.
Tensor make_instances(Inputs& in, int32_t experts, int32_t instances) {
  const Tensor table = in.empty(DType::i32, {experts, 2});
  std::vector<int32_t> all(static_cast<size_t>(instances));
  std::iota(all.begin(), all.end(), 0);
  std::shuffle(all.begin(), all.end(), in.random());
  for (int32_t e = 0; e < experts; ++e) {
    table.as<int32_t>()[2 * e] = all[static_cast<size_t>(e)];
    table.as<int32_t>()[2 * e + 1] = experts + e < instances ? all[static_cast<size_t>(experts + e)] : -1;
  }
  return table;
}

// ids reach past [0, experts) on both sides: padding.
OpCase sort_case(int64_t tokens, int64_t k, int32_t experts) {
  return {.name = cat("moe_sort/", tokens, "x", k, "_experts", experts),
          .bytes = 12.0 * tokens * k,
          .make = [=](Inputs& in) -> OpRun {
            const int32_t n = experts + experts / 2;
            const Tensor ids = in.integers({tokens, k}, -1, experts + 2), instances = make_instances(in, experts, n);
            const Tensor order = in.empty(DType::i32, {tokens * k}), place = in.empty(DType::i32, {tokens, k});
            const Tensor offsets = in.empty(DType::i32, {n + 1});
            return {{order, place, offsets}, [=](Backend b, Context& c) {
                      pick(b, ref::moe_sort, moe_sort)(order, place, offsets, ids, instances, c);
                    }};
          }};
}

// What `senders` ranks have for `instances`: a few pairs each, sometimes none, one of them many.
Tensor make_offsets(Inputs& in, int64_t senders, int64_t instances) {
  const Tensor offsets = in.integers({senders, instances + 1}, 0, 4);
  for (int64_t s = 0; s < senders; ++s) {
    int32_t* of = offsets.as<int32_t>() + s * (instances + 1);
    of[0] = 0;
    if (instances > 1) of[2] += 30;
    for (int64_t i = 0; i < instances; ++i) of[i + 1] += of[i];
  }
  return offsets;
}

OpCase pack_case(int64_t ranks, int64_t capacity, int64_t round) {
  return {.name = cat("moe_pack/", ranks, "x", capacity, "_round", round),
          .bytes = 8.0 * ranks * capacity,
          .make = [=](Inputs& in) -> OpRun {
            const int32_t instances = static_cast<int32_t>(2 * ranks);  // the last rank has none, the first three
            const Tensor first = in.integers({ranks + 1}, 0, 1),
                         offsets = make_offsets(in, 1, instances).view({instances + 1});
            for (int64_t r = 1; r <= ranks; ++r)
              first.as<int32_t>()[r] = std::min(instances, static_cast<int32_t>(2 * r + 1));
            if (ranks > 1) first.as<int32_t>()[ranks - 1] = instances;
            const int32_t pairs = offsets.as<int32_t>()[instances];
            const Tensor order = in.integers({pairs}, 0, pairs + 1), place = in.empty(DType::i32, {pairs});
            const Tensor sent = in.empty(DType::i32, {ranks, capacity}), counts = in.empty(DType::i32, {ranks});
            return {{sent, counts, place}, [=](Backend b, Context& c) {
                      pick(b, ref::moe_pack, moe_pack)(sent, counts, place, order, offsets, first, round, c);
                    }};
          }};
}

OpCase regroup_case(int64_t senders, int64_t capacity, int64_t round) {
  return {.name = cat("moe_regroup/", senders, "x", capacity, "_round", round),
          .bytes = 8.0 * senders * capacity,
          .make = [=](Inputs& in) -> OpRun {
            const int64_t instances = 7, first = 1, own = 4;
            const Tensor offsets = make_offsets(in, senders, instances), rows = in.empty(DType::i32, {own + 1});
            const Tensor grouped = in.empty(DType::i32, {senders, capacity}),
                         ungrouped = in.empty(DType::i32, {senders, capacity});
            const Tensor counts = in.empty(DType::i32, {senders});
            return {{grouped, ungrouped, counts, rows}, [=](Backend b, Context& c) {
                      pick(b, ref::moe_regroup, moe_regroup)(grouped, ungrouped, counts, rows, offsets, first, round, c);
                    }};
          }};
}

OpCase count_case(int64_t senders, int32_t experts) {
  return {
      .name = cat("moe_count/", senders, "x", experts), .bytes = 4.0 * senders * experts, .make = [=](Inputs& in) -> OpRun {
        const int32_t n = experts + experts / 2;
        const Tensor instances = make_instances(in, experts, n), offsets = make_offsets(in, senders, n);
        const Tensor before = in.integers({experts}, 0, 1000), totals = in.copy(before);
        return {{totals},
                [=](Backend b, Context& c) { pick(b, ref::moe_count, moe_count)(totals, offsets, instances, c); },
                [=] { std::copy_n(before.as<int32_t>(), experts, totals.as<int32_t>()); }};
      }};
}

OpCase permute_case(int64_t tokens, int k, int64_t hidden) {
  return {.name = cat("moe_permute/", tokens, "x", k, "x", hidden),
          .bytes = 8.0 * tokens * k * hidden,
          .make = [=](Inputs& in) -> OpRun {
            const int64_t rows = tokens * k;
            const Tensor x = in.normal({tokens, hidden}), out = in.empty(DType::f32, {rows, hidden});
            const Tensor order = in.integers({rows + 3}, -1, std::max<int32_t>(1, static_cast<int32_t>(rows)));
            std::fill_n(out.as<float>(), rows * hidden, 0.5f);
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
            if (tokens > 0) place.as<int32_t>()[k - 1] = -1;
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
  for (const int64_t capacity : {1, 5, 16, 200})
    for (const int64_t ranks : {1, 2, 5})
      for (const int64_t round : {0, 1, 3}) {
        cases.push_back(pack_case(ranks, capacity, round));
        cases.push_back(regroup_case(ranks, capacity, round));
      }
  for (const int64_t senders : {1, 4}) cases.push_back(count_case(senders, 9));
  for (auto [tokens, k, hidden] : std::initializer_list<std::array<int, 3>>{{0, 2, 64}, {7, 3, 33}, {512, 2, 576}}) {
    cases.push_back(permute_case(tokens, k, hidden));
    cases.push_back(unpermute_case(tokens, k, hidden));
  }
}

}  // namespace weft::test
