// Included by cpu_<isa>.cpp (see cpu_kernels-inl.h): packed codes and scales of one sub-block to plain
// arrays. Loops over whole planes, which compilers turn into vector code.

inline void widen_f16(const std::byte* header, int which, float* out) {
  const auto* in = reinterpret_cast<const F16*>(header) + which * kPanel;
  for (int i = 0; i < kPanel; i += kLanes) store(out + i, load(in + i));
}

// d, and the integer scales of K types left apart: out[lane] as int32.
inline void widen_bytes(const std::byte* in, int32_t* out) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(in);
  for (int i = 0; i < kPanel; ++i) out[i] = bytes[i];
}
inline void widen_signed_bytes(const std::byte* in, int32_t* out) {
  const auto* bytes = reinterpret_cast<const int8_t*>(in);
  for (int i = 0; i < kPanel; ++i) out[i] = bytes[i];
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

// Scale and minimum of a sub-block whose codes share one scale (all but q6_K).
template <DType T>
inline void read_scales(const SubBlock<T>& b, float* d, float* m) {
  widen_f16(b.header, 0, d);
  if constexpr (T == DType::q4_1 || T == DType::q5_1) widen_f16(b.header, 1, m);
  if constexpr (T == DType::q4_K || T == DType::q5_K) {
    alignas(64) int32_t scale[kPanel], min[kPanel];
    widen_bytes(b.scales, scale);
    widen_bytes(b.scales + kPanel, min);
    widen_f16(b.header, 1, m);
    for (int i = 0; i < kPanel; ++i) d[i] *= static_cast<float>(scale[i]);
    for (int i = 0; i < kPanel; ++i) m[i] = -(m[i] * static_cast<float>(min[i]));
  }
}

// out[0..1024) = the codes in word order, plus `bias`.
template <DType T>
inline void expand_codes(const SubBlock<T>& b, uint8_t bias, uint8_t* __restrict out) {
  constexpr PackedFormat f = packed_format(T);
  const auto* __restrict in = reinterpret_cast<const uint8_t*>(b.codes);
  if constexpr (f.code_bytes == 1024) {
    for (int i = 0; i < 1024; ++i) out[i] = static_cast<uint8_t>(in[i] + bias);
    return;
  }
  const auto* __restrict high = in + f.code_bytes;
  if constexpr (f.high_bytes == 256) {
    for (int i = 0; i < 256; ++i) {
      const uint8_t lo = in[i], lo2 = in[256 + i], h = high[i];
      out[i] = static_cast<uint8_t>(((lo & 15) | (h & 0x03) << 4) + bias);
      out[256 + i] = static_cast<uint8_t>(((lo2 & 15) | (h & 0x0c) << 2) + bias);
      out[512 + i] = static_cast<uint8_t>(((lo >> 4) | (h & 0x30)) + bias);
      out[768 + i] = static_cast<uint8_t>(((lo2 >> 4) | (h & 0xc0) >> 2) + bias);
    }
    return;
  }
  for (int i = 0; i < 512; ++i) {
    out[i] = static_cast<uint8_t>((in[i] & 15) + bias);
    out[512 + i] = static_cast<uint8_t>((in[i] >> 4) + bias);
  }
  if constexpr (f.high_bytes == 128) add_fifth_bits(high, out);
}
