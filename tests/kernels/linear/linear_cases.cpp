#include "tests/kernels/linear/linear_cases.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "kernels/quant/quant.h"

namespace weft::testing {
namespace {

// Pieces of [0, k), some empty, cut anywhere.
std::vector<KPlan::Step> pieces(int64_t k, int units) {
  std::mt19937 random(static_cast<uint32_t>(k) * 31 + static_cast<uint32_t>(units));
  std::vector<int64_t> cuts{0, k};
  for (int i = 1; i < units; ++i) cuts.push_back(static_cast<int64_t>(random()) % (k + 1));
  std::sort(cuts.begin(), cuts.end());
  std::vector<KPlan::Step> steps;
  for (size_t i = 0; i + 1 < cuts.size(); ++i) steps.push_back({cuts[i], cuts[i + 1], 0, -1});
  return steps;
}

}  // namespace

KPlan tree_plan(int64_t k, int units) {
  KPlan plan{pieces(k, units), 1, 16};
  for (int i = 0; i < units; ++i) plan.steps[static_cast<size_t>(i)].merges = std::countr_one(static_cast<unsigned>(i));
  plan.steps.back().merges += std::popcount(static_cast<unsigned>(units)) - 1;
  plan.steps.back().out = 0;
  return plan;
}

KPlan forest_plan(int64_t k, int units) {
  KPlan plan{pieces(k, units), 0, 2};
  for (int i = 0; i < units; ++i) {
    KPlan::Step& step = plan.steps[static_cast<size_t>(i)];
    step.merges = i % 2;
    if (i % 2 || i + 1 == units) step.out = plan.outputs++;
  }
  return plan;
}

std::vector<std::byte> random_rows(DType dtype, int64_t n, int64_t k_stored, float scale, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.1f * scale, scale);
  std::vector<float> values(static_cast<size_t>(n * k_stored));
  for (float& v : values) v = normal(random);
  std::vector<std::byte> rows(static_cast<size_t>(dtype_bytes(dtype, n * k_stored)));
  quant::quantize(dtype, values.data(), rows.data(), n * k_stored);
  return rows;
}

PackedMatrix random_matrix(DType dtype, int64_t n, int64_t k, int64_t k_offset, uint32_t seed) {
  const int64_t block = dtype_info(dtype).block_elements, k_stored = (k_offset + k + block - 1) / block * block;
  PackedMatrix w(k, k_offset, k_stored);
  const auto rows = random_rows(dtype, n, k_stored, 0.05f, seed);
  w.append(dtype, n, rows.data(), dtype_bytes(dtype, k_stored));
  return w;
}

std::vector<float> random_input(int64_t rows, int64_t k, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> x(static_cast<size_t>(rows * k));
  for (float& v : x) {
    v = normal(random);
    if (random() % 97 == 0) v *= 1000;
    if (random() % 13 == 0) v = 0;
  }
  for (size_t i = 0; i < x.size() && i < 70; ++i) x[i] = 0;
  return x;
}

std::vector<float> run(LinearOp& op, const std::vector<float>& x, const PackedMatrix& w, const KPlan& plan, Arithmetic a,
                       int threads) {
  const int64_t rows = w.k() ? static_cast<int64_t>(x.size()) / w.k() : 3;
  std::vector<float> input = x, y(static_cast<size_t>(plan.outputs * rows * w.n()), -777.0f);
  ThreadPool pool(threads);
  Arena arena(linear_workspace(rows, w.k(), plan, a, threads));
  Context context{pool, arena};
  op(Tensor(y.data(), {plan.outputs, rows, w.n()}), Tensor(input.data(), {rows, w.k()}), w, plan, a, context);
  return y;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](float p, float q) {
           return (std::isnan(p) && std::isnan(q)) || std::bit_cast<uint32_t>(p) == std::bit_cast<uint32_t>(q);
         });
}

}  // namespace weft::testing
