#pragma once
// What the parts of sample_cpu.cpp for each instruction set share.
#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>

namespace weft {

// Of the tokens in one bin of a histogram.
struct Bin {
  uint64_t weight = 0, count = 0;
  Bin& operator+=(const Bin& other) {
    weight += other.weight;
    count += other.count;
    return *this;
  }
  void add_atomically(const Bin& other) {
    std::atomic_ref(weight).fetch_add(other.weight, std::memory_order_relaxed);
    std::atomic_ref(count).fetch_add(other.count, std::memory_order_relaxed);
  }
};

// Floats >= 0 whose bits, as an integer, are `prefix` from bit `prefix_begin` on: in bins by their bits from `begin` to there.
struct BinsOf {
  static constexpr int kMost = 256;
  static constexpr uint32_t kInfinity = 0x7f800000;
  uint32_t prefix = 0;
  int prefix_begin = 0, begin = 0;

  bool holds(uint32_t bits) const { return bits >> prefix_begin == prefix; }
  uint32_t bin(uint32_t bits) const { return bits >> begin & static_cast<uint32_t>(count() - 1); }
  int count() const { return 1 << (prefix_begin - begin); }
  float first() const { return std::bit_cast<float>(prefix << prefix_begin); }
  float last() const { return std::bit_cast<float>(std::min(kInfinity, ((prefix + 1) << prefix_begin) - 1)); }
};

}  // namespace weft
