// Plain C++: any CPU. Slow where the compiler finds no vector form, and where std::fma is a library call.
#include <cmath>
#include <cstring>
#include <type_traits>
#include <utility>

#include "kernels/linear/cpu_kernels.h"
#include "kernels/linear/packed_format.h"
#include "kernels/linear/packed_matrix.h"

namespace weft::cpu {
namespace {

constexpr int kLanes = 4, kFmaRows = 4, kDotRows = 4;
constexpr int kCodeBytes = 2;
struct F {
  float v[kLanes];
};
struct I {
  int32_t v[kLanes];
};

template <class V, class Op>
inline V each(Op op) {
  V out;
  for (int i = 0; i < kLanes; ++i) out.v[i] = op(i);
  return out;
}
inline F load(const float* p) {
  return each<F>([&](int i) { return p[i]; });
}
inline F load(const F16* p) {
  return each<F>([&](int i) { return f16_to_f32(p[i].bits); });
}
inline void store(float* p, F a) { std::memcpy(p, a.v, sizeof a); }
inline F set(float x) {
  return each<F>([&](int) { return x; });
}
inline F fma(F a, F b, F c) {
  return each<F>([&](int i) { return std::fma(a.v[i], b.v[i], c.v[i]); });
}
inline F mul(F a, F b) {
  return each<F>([&](int i) { return a.v[i] * b.v[i]; });
}
inline F add(F a, F b) {
  return each<F>([&](int i) { return a.v[i] + b.v[i]; });
}
inline I load_int(const int32_t* p) {
  return each<I>([&](int i) { return p[i]; });
}
inline I set_int(int32_t x) {
  return each<I>([&](int) { return x; });
}
inline I mul_int(I a, I b) {
  return each<I>([&](int i) { return a.v[i] * b.v[i]; });
}
inline I add_int(I a, I b) {
  return each<I>([&](int i) { return a.v[i] + b.v[i]; });
}
inline F to_float(I a) {
  return each<F>([&](int i) { return static_cast<float>(a.v[i]); });
}
inline F upper(I words) {
  return each<F>([&](int i) { return __builtin_bit_cast(float, words.v[i] & -65536); });
}
inline F lower(I words) {
  return each<F>([&](int i) { return __builtin_bit_cast(float, static_cast<uint32_t>(words.v[i]) << 16); });
}
struct Weights {
  uint8_t byte[kLanes][4];
};
struct Inputs {
  int16_t x[4];  // in the order 0 2 1 3
};
inline Weights load_weights(const std::byte* p) {
  Weights w;
  std::memcpy(w.byte, p, sizeof w);
  return w;
}
inline Inputs set_inputs(const std::byte* p) {
  Inputs in;
  std::memcpy(in.x, p, sizeof in);
  return in;
}
inline I dot(I acc, const Weights& w, const Inputs& in) {
  return each<I>([&](int i) {
    const uint8_t* b = w.byte[i];
    return acc.v[i] + b[0] * in.x[0] + b[2] * in.x[1] + b[1] * in.x[2] + b[3] * in.x[3];
  });
}
inline void add_fifth_bits(const uint8_t* bits, uint8_t* codes) {
  for (int t = 0; t < 1024; ++t) codes[t] = static_cast<uint8_t>(codes[t] + ((bits[t / 8] >> (t % 8)) & 1) * 16);
}
inline void round_f16(const float* x, int64_t n, float* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = f16_to_f32(f32_to_f16(x[i]));
}

#include "kernels/linear/cpu_kernels-inl.h"

}  // namespace

extern const Kernels kGenericKernels;
const Kernels kGenericKernels = make_kernels(Isa::generic);

}  // namespace weft::cpu
