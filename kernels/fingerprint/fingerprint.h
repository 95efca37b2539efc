#pragma once
// What equal logits are checked by: sums mod 2^64 of mix(position, index, bits) over logits. Equal sums mean equal bits at equal
// places, but for a chance of 2^-64; whoever holds a part of the logits adds its part, in any order.
#include <bit>
#include <cstdint>

#include "kernels/core/context.h"
#include "kernels/core/tensor.h"

namespace weft {

// The output function of SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators") of the value's
// place, to which its bits are added by XOR. position, index: below 2^32.
constexpr uint64_t kFingerprintStep = 0x9e3779b97f4a7c15u;
inline uint64_t fingerprint_mix(uint64_t place_times_step, float value) {
  uint64_t z = place_times_step ^ std::bit_cast<uint32_t>(value);
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}
inline uint64_t fingerprint_mix(int64_t position, int64_t index, float value) {
  return fingerprint_mix((static_cast<uint64_t>(position) << 32 | static_cast<uint64_t>(index)) * kFingerprintStep, value);
}

// sums: (rows, 2) i32, the sum of each row, low word first.   logits: (rows, n) f32, of indices `first` and up
// positions: (rows) i32
using FingerprintOp = void(Tensor sums, Tensor logits, Tensor positions, int64_t first, Context& context);
FingerprintOp fingerprint;
namespace ref { FingerprintOp fingerprint; }
namespace cpu { FingerprintOp fingerprint; }

}  // namespace weft
