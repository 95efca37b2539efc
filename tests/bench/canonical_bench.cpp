// What canonical order costs: the matrix products of one layer of SmolLM2 with the canonical trees of the row-parallel ones
// (attention output, MLP down), and with all of K in one sequential sum, in turns. One JSON object a line.
//   canonical_bench THREADS
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "kernels/linear/linear.h"
#include "parallel/canonical.h"
#include "tests/kernels/linear/linear_cases.h"

namespace weft {
namespace {

constexpr int64_t kHidden = 576, kMlp = 1536, kHeadDim = 64;
constexpr int kHeads = 9, kKvHeads = 3;
constexpr int kLayers = 30;  // read one after another, as in the model

struct Product {
  int64_t n, k;
  KPlan plan;
};

class LayerProducts {
 public:
  LayerProducts(DType dtype, Arithmetic a, int64_t rows, ThreadPool& pool) : arithmetic_(a), rows_(rows), pool_(pool) {
    const KPlan o = SplitSum::make(Units::even(kHeads, kHeadDim), 1, 0).plan,
                down = SplitSum::make(Units::mlp(kMlp), 1, 0).plan;
    products_ = {{(kHeads + 2 * kKvHeads) * kHeadDim, kHidden, KPlan::sequential(kHidden)},
                 {kHidden, kHeads * kHeadDim, o},
                 {2 * kMlp, kHidden, KPlan::sequential(kHidden)},
                 {kHidden, kMlp, down}};
    for (int i = 0; i < kLayers; ++i)
      for (const Product& p : products_) weights_.push_back(testing::random_matrix(dtype, p.n, p.k, 0, 1));
    std::mt19937 random(2);
    std::normal_distribution<float> normal;
    x_.resize(static_cast<size_t>(rows * kMlp)), y_.resize(static_cast<size_t>(rows * 2 * kMlp));
    for (float& v : x_) v = normal(random);
  }

  // Seconds of all layers.
  double run(bool canonical) {
    int64_t bytes = 0;
    for (const Product& p : products_)
      bytes = std::max(bytes, linear_workspace(rows_, p.k, p.plan, arithmetic_, pool_.threads()));
    Arena arena(bytes);
    Context context{pool_, arena};
    const auto start = std::chrono::steady_clock::now();
    for (size_t i = 0; i < weights_.size(); ++i) {
      const Product& p = products_[i % products_.size()];
      linear(Tensor(y_.data(), {rows_, p.n}), Tensor(x_.data(), {rows_, p.k}), weights_[i],
             canonical ? p.plan : KPlan::sequential(p.k), arithmetic_, context);
    }
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

 private:
  Arithmetic arithmetic_;
  int64_t rows_;
  ThreadPool& pool_;
  std::vector<Product> products_;
  std::vector<PackedMatrix> weights_;
  std::vector<float> x_, y_;
};

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

void bench(DType dtype, Arithmetic a, int64_t rows, ThreadPool& pool) {
  LayerProducts layers(dtype, a, rows, pool);
  std::vector<double> plain, ratio;
  layers.run(true);
  for (int round = 0; round < (rows == 1 ? 101 : 15); ++round) {
    const double before = layers.run(false), canonical = layers.run(true), after = layers.run(false);
    plain.push_back(std::min(before, after));
    ratio.push_back(canonical / (0.5 * (before + after)));
  }
  std::printf("{\"weights\":\"%s\",\"dtype\":\"%s\",\"rows\":%ld,\"plain_ms\":%.3f,\"ratio\":%.4f}\n", name(dtype), name(a),
              rows, 1e3 * median(plain), median(ratio));
  std::fflush(stdout);
}

}  // namespace
}  // namespace weft

int main(int argc, char** argv) {
  using namespace weft;
  const int threads = argc > 1 ? std::atoi(argv[1]) : available_cpus();
  ThreadPool pool(threads, place_threads(threads, 0, 1));
  for (const int64_t rows : {1, 8, 512}) {
    bench(DType::bf16, Arithmetic::bf16, rows, pool);
    bench(DType::bf16, Arithmetic::f32, rows, pool);
    bench(DType::q8_0, Arithmetic::q8, rows, pool);
    bench(DType::q4_0, Arithmetic::q8, rows, pool);
  }
}
