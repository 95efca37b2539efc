// Included by cpu_kernels.cpp and cpu_avx512_dots.cpp, once per instruction set: packed codes and scales of one sub-block to
// plain arrays.

// 16 integer scales of the K types.
template <class Byte>
HWY_INLINE I32x16 widen(const std::byte* p) {
  const hn::Rebind<Byte, PartInt> narrow;
  return each_int_part([&](int i) HWY_ATTR {
    return hn::PromoteTo(PartInt(), hn::LoadU(narrow, reinterpret_cast<const Byte*>(p) + i * kPartLanes));
  });
}

template <DType T>
constexpr bool kHasMin = T == DType::q4_1 || T == DType::q5_1 || T == DType::q4_K || T == DType::q5_K;
template <DType T>
constexpr int kZeroPoint = T == DType::q8_0   ? 128
                           : T == DType::q4_0 ? 8
                           : T == DType::q5_0 ? 16
                           : T == DType::q6_K ? 32
                                              : 0;

template <DType T>
struct SubBlock {
  static constexpr PackedFormat f = packed_format(T);
  const std::byte* header;
  const std::byte* scales;
  const std::byte* codes;

  SubBlock(const std::byte* panel, int64_t index)
      : header(panel + index / f.subs * f.block_bytes()),
        scales(header + f.header_bytes + index % f.subs * f.sub_bytes()),
        codes(scales + f.scale_bytes) {}
};

// Scale and minimum of a sub-block; of q6_K only what its two halves share.
template <DType T>
inline void read_scales(const SubBlock<T>& b, float* d, float* m) {
  const auto* header = reinterpret_cast<const f16*>(b.header);
  for (int i = 0; i < kPanel; i += kLanes) {
    F32x16 scale = load(header + i);
    if constexpr (T == DType::q4_K || T == DType::q5_K) {
      scale = scale * to_float(widen<uint8_t>(b.scales + i));
      store(-(load(header + kPanel + i) * to_float(widen<uint8_t>(b.scales + kPanel + i))), m + i);
    } else if constexpr (kHasMin<T>) {
      store(load(header + kPanel + i), m + i);
    }
    store(scale, d + i);
  }
}

using Bytes = hn::CappedTag<uint8_t, 64>;
constexpr int kByteLanes = static_cast<int>(hn::MaxLanes(Bytes()));

HWY_INLINE hn::Vec<Bytes> load_bytes(const uint8_t* p) { return hn::LoadU(Bytes(), p); }
HWY_INLINE hn::Vec<Bytes> set_bytes(int x) { return hn::Set(Bytes(), static_cast<uint8_t>(x)); }

// out[0..1024) = the codes in word order, plus `bias`.
template <DType T>
inline void expand_codes(const SubBlock<T>& b, uint8_t bias, uint8_t* __restrict out) {
  constexpr PackedFormat f = packed_format(T);
  const auto* __restrict in = reinterpret_cast<const uint8_t*>(b.codes);
  const Bytes d;
  const auto add = set_bytes(bias);
  if constexpr (f.code_bytes == 1024) {
    for (int i = 0; i < 1024; i += kByteLanes) hn::StoreU(hn::Add(load_bytes(in + i), add), d, out + i);
  } else if constexpr (f.high_bytes == 256) {
    const uint8_t* __restrict high = in + f.code_bytes;
    for (int i = 0; i < 256; i += kByteLanes) {
      const auto first = load_bytes(in + i), second = load_bytes(in + 256 + i), h = load_bytes(high + i);
      const auto put = [&](int at, hn::Vec<Bytes> low, hn::Vec<Bytes> upper)
                           HWY_ATTR { hn::StoreU(hn::Add(hn::Or(low, upper), add), d, out + at + i); };
      put(0, hn::And(first, set_bytes(15)), hn::And(hn::ShiftLeft<4>(h), set_bytes(0x30)));
      put(256, hn::And(second, set_bytes(15)), hn::And(hn::ShiftLeft<2>(h), set_bytes(0x30)));
      put(512, hn::ShiftRight<4>(first), hn::And(h, set_bytes(0x30)));
      put(768, hn::ShiftRight<4>(second), hn::And(hn::ShiftRight<2>(h), set_bytes(0x30)));
    }
  } else {
    const uint8_t* __restrict high = in + f.code_bytes;  // fifth bits, if any: one a code
    const auto fifth = [&](int at) HWY_ATTR {
      if constexpr (f.high_bytes == 0) return add;
      if constexpr (kByteLanes < 8) return hn::Add(add, set_bytes((high[at / 8] >> at % 8 & 1) * 16));
      return hn::Add(add, hn::IfThenElseZero(hn::LoadMaskBits(d, high + at / 8), set_bytes(16)));
    };
    for (int i = 0; i < 512; i += kByteLanes) {
      const auto v = load_bytes(in + i);
      hn::StoreU(hn::Add(hn::And(v, set_bytes(15)), fifth(i)), d, out + i);
      hn::StoreU(hn::Add(hn::ShiftRight<4>(v), fifth(512 + i)), d, out + 512 + i);
    }
  }
}
