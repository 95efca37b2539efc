#include "parallel/shard.h"

#include <algorithm>

#include "kernels/core/check.h"

namespace weft {

Range split_evenly(int64_t n, int parts, int part) {
  WEFT_CHECK(n >= 0 && 0 <= part && part < parts, "part ", part, " of ", parts, " of ", n);
  const int64_t size = n / parts, larger = n % parts;
  const int64_t begin = part * size + std::min<int64_t>(part, larger);
  return {begin, begin + size + (part < larger ? 1 : 0)};
}

Units Units::even(int64_t count, int64_t each) {
  Units units;
  units.count_ = count;
  units.each_ = each;
  return units;
}

Units Units::times(int64_t n) const {
  Units units = *this;
  units.each_ *= n;
  for (int64_t& bound : units.bounds_) bound *= n;
  return units;
}

Units Units::mlp(int64_t intermediate_size) {
  constexpr int64_t kBlock = 32, kNarrowest = 192, kMostUnits = 64;
  const int64_t count = std::clamp<int64_t>(intermediate_size / kNarrowest, 1, kMostUnits);
  const int64_t blocks = intermediate_size / kBlock;  // whole ones; the last unit takes what is left over
  std::vector<int64_t> bounds;
  for (int64_t unit = 0; unit < count; ++unit) bounds.push_back(blocks * unit / count * kBlock);
  bounds.push_back(intermediate_size);
  return Units(std::move(bounds));
}

}  // namespace weft
