#include <algorithm>

#include "kernels/moe_permute/moe_permute.h"

namespace weft::ref {

void moe_sort(Tensor order, Tensor offsets, Tensor ids, Context&) {
  int32_t next = 0;
  for (int32_t expert = 0; expert + 1 < offsets.dim(0); ++expert) {
    offsets.as<int32_t>()[expert] = next;
    for (int32_t pair = 0; pair < ids.elements(); ++pair)
      if (ids.as<int32_t>()[pair] == expert) order.as<int32_t>()[next++] = pair;
  }
  offsets.as<int32_t>()[offsets.dim(0) - 1] = next;
}

void moe_permute(Tensor out, Tensor x, Tensor order, int k, Context&) {
  const int64_t hidden = x.dim(1);
  for (int64_t i = 0; i < out.dim(0); ++i)
    std::copy_n(x.as<float>() + order.as<int32_t>()[i] / k * hidden, hidden, out.as<float>() + i * hidden);
}

void moe_unpermute(Tensor out, Tensor y, Tensor place, Tensor weights, Context&) {
  const int64_t hidden = y.dim(1), k = place.dim(1);
  for (int64_t t = 0; t < out.dim(0); ++t)
    for (int64_t d = 0; d < hidden; ++d) {
      double sum = 0;
      for (int64_t s = t * k; s < (t + 1) * k; ++s)
        sum += double{weights.as<float>()[s]} * y.as<float>()[place.as<int32_t>()[s] * hidden + d];
      out.as<float>()[t * hidden + d] = static_cast<float>(sum);
    }
}

}  // namespace weft::ref
