// A few thousand indices a layer: runs are copied, nothing is searched, and no thread is woken.
#include <algorithm>
#include <numeric>

#include "kernels/moe_exchange/moe_exchange.h"

namespace weft::cpu {
namespace {

struct Run {
  int32_t begin, end;
  int32_t size() const { return end - begin; }
};

// What of the pairs [begin, end) lies in the window of `capacity` pairs that begins at `window`.
Run in_window(int64_t begin, int64_t end, int64_t window, int64_t capacity) {
  const int64_t low = std::min(std::max(begin, window), end), high = std::max(low, std::min(end, window + capacity));
  return {static_cast<int32_t>(low), static_cast<int32_t>(high)};
}

}  // namespace

void moe_pack(Tensor sent, Tensor counts, Tensor place, Tensor order, Tensor offsets, Tensor first_of_rank, int64_t round,
              Context&) {
  const int64_t ranks = sent.dim(0), capacity = sent.dim(1);
  std::fill_n(place.as<int32_t>(), place.dim(0), -1);
  for (int64_t rank = 0; rank < ranks; ++rank) {
    const int32_t* first = first_of_rank.as<int32_t>() + rank;
    const int64_t begin = offsets.as<int32_t>()[first[0]], end = offsets.as<int32_t>()[first[1]];
    const Run run = in_window(begin, end, begin + round * capacity, capacity);
    int32_t* to = sent.as<int32_t>() + rank * capacity;
    std::copy_n(order.as<int32_t>() + run.begin, run.size(), to);
    std::fill(to + run.size(), to + capacity, -1);
    std::iota(place.as<int32_t>() + run.begin, place.as<int32_t>() + run.end, static_cast<int32_t>(rank * capacity));
    counts.as<int32_t>()[rank] = run.size();
  }
}

void moe_regroup(Tensor grouped, Tensor ungrouped, Tensor counts, Tensor row_offsets, Tensor offsets, int64_t first,
                 int64_t round, Context&) {
  const int64_t senders = grouped.dim(0), capacity = grouped.dim(1), own = row_offsets.dim(0) - 1;
  std::fill_n(ungrouped.as<int32_t>(), ungrouped.elements(), -1);
  std::fill_n(counts.as<int32_t>(), senders, 0);
  int32_t row = 0;
  for (int64_t instance = 0; instance < own; ++instance) {
    row_offsets.as<int32_t>()[instance] = row;
    for (int64_t sender = 0; sender < senders; ++sender) {
      const int32_t* of = offsets.as<int32_t>() + sender * offsets.dim(1) + first;
      const int64_t window = of[0] + round * capacity;
      const Run run = in_window(of[instance], of[instance + 1], window, capacity);
      if (run.size() == 0) continue;
      const auto at = static_cast<int32_t>(sender * capacity + run.begin - window);
      std::iota(grouped.as<int32_t>() + row, grouped.as<int32_t>() + row + run.size(), at);
      std::iota(ungrouped.as<int32_t>() + at, ungrouped.as<int32_t>() + at + run.size(), row);
      counts.as<int32_t>()[sender] += run.size();
      row += run.size();
    }
  }
  row_offsets.as<int32_t>()[own] = row;
  std::fill(grouped.as<int32_t>() + row, grouped.as<int32_t>() + grouped.elements(), -1);
}

void moe_count(Tensor totals, Tensor offsets, Tensor instances, Context& context) {
  ref::moe_count(totals, offsets, instances, context);
}

}  // namespace weft::cpu
