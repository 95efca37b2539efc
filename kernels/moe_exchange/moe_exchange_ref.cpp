// The definitions, place by place.
#include <algorithm>

#include "kernels/moe_exchange/moe_exchange.h"

namespace weft::ref {

void moe_pack(Tensor sent, Tensor counts, Tensor place, Tensor order, Tensor offsets, Tensor first_of_rank, int64_t round,
              Context&) {
  const int64_t ranks = sent.dim(0), capacity = sent.dim(1);
  std::fill_n(place.as<int32_t>(), place.dim(0), -1);
  std::fill_n(counts.as<int32_t>(), ranks, 0);
  for (int64_t at = 0; at < ranks * capacity; ++at) {
    const int64_t rank = at / capacity;
    const int32_t *run = first_of_rank.as<int32_t>() + rank, *begin_of = offsets.as<int32_t>();
    const int64_t pair = begin_of[run[0]] + round * capacity + at % capacity;
    const bool used = pair < begin_of[run[1]];
    sent.as<int32_t>()[at] = used ? order.as<int32_t>()[pair] : -1;
    if (!used) continue;
    ++counts.as<int32_t>()[rank];
    place.as<int32_t>()[pair] = static_cast<int32_t>(at);
  }
}

void moe_regroup(Tensor grouped, Tensor ungrouped, Tensor counts, Tensor row_offsets, Tensor offsets, int64_t first,
                 int64_t round, Context&) {
  const int64_t senders = grouped.dim(0), capacity = grouped.dim(1), own = row_offsets.dim(0) - 1;
  std::fill_n(grouped.as<int32_t>(), grouped.elements(), -1);
  std::fill_n(ungrouped.as<int32_t>(), grouped.elements(), -1);
  std::fill_n(counts.as<int32_t>(), senders, 0);
  int32_t row = 0;
  for (int64_t instance = 0; instance < own; ++instance) {
    row_offsets.as<int32_t>()[instance] = row;
    for (int64_t at = 0; at < senders * capacity; ++at) {
      const int32_t* sender = offsets.as<int32_t>() + at / capacity * offsets.dim(1) + first;
      const int64_t pair = sender[0] + round * capacity + at % capacity;
      if (pair < sender[instance] || pair >= sender[instance + 1]) continue;
      ++counts.as<int32_t>()[at / capacity];
      ungrouped.as<int32_t>()[at] = row;
      grouped.as<int32_t>()[row++] = static_cast<int32_t>(at);
    }
  }
  row_offsets.as<int32_t>()[own] = row;
}

void moe_count(Tensor totals, Tensor offsets, Tensor instances, Context&) {
  for (int64_t expert = 0; expert < totals.dim(0); ++expert) {
    for (int64_t i = 0; i < instances.dim(1); ++i) {
      const int32_t instance = instances.as<int32_t>()[expert * instances.dim(1) + i];
      for (int64_t sender = 0; sender < offsets.dim(0) && instance >= 0; ++sender) {
        const int32_t* of = offsets.as<int32_t>() + sender * offsets.dim(1);
        totals.as<int32_t>()[expert] += of[instance + 1] - of[instance];
      }
    }
  }
}

}  // namespace weft::ref
