#include "parallel/dim.h"

#include <algorithm>

#include "kernels/core/check.h"

namespace weft {

Dim Dim::times(int64_t n) const {
  Dim dim = *this;
  dim.units = units.times(n);
  return dim;
}

Range Dim::held_units(int of_rank) const {
  if (share == Share::whole) return {0, units.count()};
  if (share == Share::split) return split_evenly(units.count(), ranks, of_rank);
  const Range split = split_evenly(units.count() * readers, ranks, of_rank);
  if (split.size() == 0) return {0, 0};
  return {split.begin / readers, (split.end - 1) / readers + 1};
}

SplitSum Dim::sum() const {
  WEFT_CHECK(share != Share::serving, "units that several ranks hold would be summed twice");
  return share == Share::split ? SplitSum::make(units, ranks, rank) : SplitSum::make(units, 1, 0);
}

std::vector<HeadGroup> head_groups(const Dim& q, const Dim& kv) {
  std::vector<HeadGroup> groups;
  const Range own = q.held_units(q.rank), held = kv.held_units(kv.rank);
  for (int64_t head = held.begin; head < held.end; ++head) {
    const int64_t begin = std::max(own.begin, head * kv.readers), end = std::min(own.end, (head + 1) * kv.readers);
    groups.push_back({static_cast<int>(head - held.begin), static_cast<int>(begin - own.begin), static_cast<int>(end - own.begin)});
  }
  return groups;
}

}  // namespace weft
