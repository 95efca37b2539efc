#pragma once
// Which part of a dimension a rank holds. Pure functions of (size, ranks, rank); nothing requires
// divisibility.
#include <cstdint>
#include <utility>
#include <vector>

namespace weft {

struct Range {
  int64_t begin = 0, end = 0;
  int64_t size() const { return end - begin; }
  bool operator==(const Range&) const = default;
};

// [0, n) cut into `parts` contiguous pieces as evenly as possible, the larger ones first (9 over 2: 5 + 4).
Range split_evenly(int64_t n, int parts, int part);

// The fixed units a dimension is cut into for the canonical reduction and for sharding. They depend on the model only, never on
// the number of ranks.
class Units {
 public:
  Units() = default;
  explicit Units(std::vector<int64_t> bounds) : count_(std::ssize(bounds) - 1), bounds_(std::move(bounds)) {}  // [b_u, b_u+1)
  static Units even(int64_t count, int64_t each = 1);  // `count` of `each` elements
  // Slices of an MLP's intermediate size: at least 192 wide, at most 64 slices, multiples of 32 but for the last.
  static Units mlp(int64_t intermediate_size);

  int64_t count() const { return count_; }
  int64_t begin(int64_t unit) const { return bounds_.empty() ? unit * each_ : bounds_[unit]; }  // of unit count(): the end
  int64_t size() const { return begin(count_); }
  Range range(Range units) const { return {begin(units.begin), begin(units.end)}; }
  // Every unit `n` times as large.
  Units times(int64_t n) const;

 private:
  int64_t count_ = 0, each_ = 0;
  std::vector<int64_t> bounds_;  // (count + 1), of uneven ones only
};

}  // namespace weft
