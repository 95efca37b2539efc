#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "kernels/moe_route/moe_route.h"

namespace weft::ref {

void moe_route(Tensor ids, Tensor weights, Tensor logits, const RouterParams& params, Context&) {
  const int64_t n = logits.dim(1), k = ids.dim(1);
  for (int64_t t = 0; t < logits.dim(0); ++t) {
    const float* row = logits.as<float>() + t * n;
    const bool nan = std::any_of(row, row + n, [](float x) { return std::isnan(x); });
    std::vector<int32_t> order(n);
    std::iota(order.begin(), order.end(), 0);
    if (!nan) std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return row[a] > row[b]; });

    const auto weight = [&](int64_t i) { return std::exp(double{row[order[i]]} - row[order[0]]); };
    double total = 0, chosen = 0;
    for (int64_t i = 0; i < (params.score == RouterParams::Score::softmax_top_k ? n : k); ++i) total += weight(i);
    for (int64_t i = 0; i < k; ++i) chosen += weight(i) / total;
    for (int64_t i = 0; i < k; ++i) {
      ids.as<int32_t>()[t * k + i] = order[i];
      weights.as<float>()[t * k + i] = nan ? NAN : static_cast<float>(weight(i) / total / (params.normalise ? chosen : 1));
    }
  }
}

}  // namespace weft::ref
