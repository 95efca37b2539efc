#include <algorithm>

#include "kernels/moe_permute/moe_permute.h"

namespace weft::ref {

void moe_sort(Tensor order, Tensor place, Tensor offsets, Tensor ids, Tensor instances, Context&) {
  const int64_t experts = instances.dim(0), most = instances.dim(1), pairs = ids.elements();
  std::fill_n(place.as<int32_t>(), pairs, -1);
  int32_t next = 0;
  for (int32_t instance = 0; instance + 1 < offsets.dim(0); ++instance) {
    offsets.as<int32_t>()[instance] = next;
    for (int32_t pair = 0; pair < pairs; ++pair) {
      const int32_t expert = ids.as<int32_t>()[pair];
      if (expert < 0 || expert >= experts) continue;
      const int32_t* of = instances.as<int32_t>() + expert * most;
      const auto replicas = most - std::count(of, of + most, -1);
      if (of[pair / ids.dim(1) % replicas] != instance) continue;
      place.as<int32_t>()[pair] = next;
      order.as<int32_t>()[next++] = pair;
    }
  }
  offsets.as<int32_t>()[offsets.dim(0) - 1] = next;
}

void moe_permute(Tensor out, Tensor x, Tensor order, int k, Context&) {
  const int64_t hidden = x.dim(1);
  for (int64_t i = 0; i < out.dim(0); ++i)
    if (const int32_t pair = order.as<int32_t>()[i]; pair >= 0)
      std::copy_n(x.as<float>() + pair / k * hidden, hidden, out.as<float>() + i * hidden);
}

void moe_unpermute(Tensor out, Tensor y, Tensor place, Tensor weights, Context&) {
  const int64_t hidden = y.dim(1), k = place.dim(1);
  for (int64_t t = 0; t < out.dim(0); ++t)
    for (int64_t d = 0; d < hidden; ++d) {
      double sum = 0;
      for (int64_t s = t * k; s < (t + 1) * k; ++s)
        if (const int32_t row = place.as<int32_t>()[s]; row >= 0)
          sum += double{weights.as<float>()[s]} * y.as<float>()[row * hidden + d];
      out.as<float>()[t * hidden + d] = static_cast<float>(sum);
    }
}

}  // namespace weft::ref
