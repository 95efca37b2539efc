// Included by cpu_kernels.cpp and cpu_avx512_dots.cpp, once per instruction set: 16 lanes of int32 beside the F32x16 of
// kernels/core/simd.h, and the sizes of register tiles.
using PartInt = hn::RebindToSigned<Part>;

struct I32x16 {
  hn::Vec<PartInt> part[kParts];
};

template <class Fn>
HWY_INLINE I32x16 each_int_part(Fn fn) {
  I32x16 out;
#pragma GCC unroll 16
  for (int i = 0; i < kParts; ++i) out.part[i] = fn(i);
  return out;
}

HWY_INLINE I32x16 load_int(const int32_t* p) {
  return each_int_part([&](int i) HWY_ATTR { return hn::LoadU(PartInt(), p + i * kPartLanes); });
}
HWY_INLINE void store_int(I32x16 v, int32_t* p) {
#pragma GCC unroll 16
  for (int i = 0; i < kParts; ++i) hn::StoreU(v.part[i], PartInt(), p + i * kPartLanes);
}
HWY_INLINE I32x16 set_int(int32_t x) {
  return each_int_part([&](int) HWY_ATTR { return hn::Set(PartInt(), x); });
}
HWY_INLINE I32x16 operator+(I32x16 a, I32x16 b) {
  return each_int_part([&](int i) HWY_ATTR { return hn::Add(a.part[i], b.part[i]); });
}
HWY_INLINE I32x16 operator*(I32x16 a, I32x16 b) {
  return each_int_part([&](int i) HWY_ATTR { return hn::Mul(a.part[i], b.part[i]); });
}
HWY_INLINE I32x16 operator-(I32x16 a, I32x16 b) {
  return each_int_part([&](int i) HWY_ATTR { return hn::Sub(a.part[i], b.part[i]); });
}
HWY_INLINE I32x16 operator&(I32x16 a, I32x16 b) {
  return each_int_part([&](int i) HWY_ATTR { return hn::And(a.part[i], b.part[i]); });
}
HWY_INLINE I32x16 max(I32x16 a, I32x16 b) {
  return each_int_part([&](int i) HWY_ATTR { return hn::Max(a.part[i], b.part[i]); });
}
HWY_INLINE int32_t max_of(I32x16 v) {
  auto largest = v.part[0];
  for (int i = 1; i < kParts; ++i) largest = hn::Max(largest, v.part[i]);
  return hn::GetLane(hn::MaxOfLanes(PartInt(), largest));
}
HWY_INLINE int32_t sum_of(I32x16 v) {
  auto sum = v.part[0];
  for (int i = 1; i < kParts; ++i) sum = hn::Add(sum, v.part[i]);
  return hn::GetLane(hn::SumOfLanes(PartInt(), sum));
}
HWY_INLINE I32x16 bits_of(F32x16 v) {
  return each_int_part([&](int i) HWY_ATTR { return hn::BitCast(PartInt(), v.part[i]); });
}
HWY_INLINE F32x16 to_float(I32x16 a) {
  return each_part([&](int i) HWY_ATTR { return hn::ConvertTo(Part(), a.part[i]); });
}

// Words of two bf16 each: the upper halves, the lower halves.
HWY_INLINE F32x16 upper(I32x16 words) {
  return each_part([&](int i) HWY_ATTR { return hn::BitCast(Part(), hn::And(words.part[i], hn::Set(PartInt(), -65536))); });
}
HWY_INLINE F32x16 lower(I32x16 words) {
  return each_part([&](int i) HWY_ATTR { return hn::BitCast(Part(), hn::ShiftLeft<16>(words.part[i])); });
}

using cpu::BlockScale, cpu::FlushSubnormals, cpu::QuantisedRows, cpu::row_tile, cpu::RowTile;

constexpr int kPanel = PackedMatrix::kPanel;
// Rows of x in a register tile of float sums and of integer sums, and vectors of lanes in a tile of more than one row.
#if HWY_TARGET <= HWY_AVX3
constexpr int kFmaRows = 12, kDotRows = 6, kTileVectors = 2;
#elif HWY_TARGET <= HWY_AVX2
constexpr int kFmaRows = 6, kDotRows = 3, kTileVectors = 1;
#else
constexpr int kFmaRows = 2, kDotRows = 2, kTileVectors = 1;
#endif

#define WEFT_UNROLL _Pragma("GCC unroll 16")
#define WEFT_KEEP_LOOP _Pragma("GCC unroll 1")  // unrolled, GCC computes all products first and spills them

// Four activations or weights along K, as they lie in memory.
inline int32_t read_word(const std::byte* p) {
  int32_t word;
  __builtin_memcpy(&word, p, sizeof word);
  return word;
}
