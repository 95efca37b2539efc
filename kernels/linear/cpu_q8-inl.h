// Included by cpu_<isa>.cpp (see cpu_kernels-inl.h): q8 arithmetic, exact integer sums of 32 products, scaled
// and added in block order.

// Adding and taking away 1.5 * 2^23 rounds |v| < 2^22 to the nearest integer, ties to even, and leaves it in
// the low bits.
constexpr float kRoundingShift = 12582912.0f;

// The same arithmetic as quant::quantize_activation.
void quantise_kernel(const float* x, int first, int n, std::byte* q, BlockScale* scale, float* dequantised) {
  alignas(64) float v[32] = {};
  for (int i = 0; i < n; ++i) v[first + i] = x[i];
  uint32_t largest = 0;  // as bits of |v|, which order as the values do, Inf and NaN last
  for (int i = 0; i < 32; ++i) {
    const uint32_t bits = __builtin_bit_cast(uint32_t, v[i]) & 0x7fffffffu;
    largest = largest > bits ? largest : bits;
  }
  alignas(64) int32_t codes[32] = {};
  float d = __builtin_bit_cast(float, largest) / 127;
  const float inverse = 1 / d;
  if (largest >= 0x7f800000u) {
    d = __builtin_nanf("");
  } else if (inverse > 3.4028235e38f) {
    d = 0;
  } else {
    for (int i = 0; i < 32; ++i) {
      const float shifted = v[i] * inverse + kRoundingShift;
      codes[i] = __builtin_bit_cast(int32_t, shifted) - __builtin_bit_cast(int32_t, kRoundingShift);
    }
  }
  int32_t half = 0, rest = 0;
  for (int i = 0; i < 16; ++i) half += codes[i];
  for (int i = 16; i < 32; ++i) rest += codes[i];
  *scale = {d, d * static_cast<float>(half + rest), -128 * (half + rest), -128 * half};
  if constexpr (kBiased) {
    for (int i = 0; i < 32; ++i) reinterpret_cast<int8_t*>(q)[i] = static_cast<int8_t>(codes[i]);
  } else {
    for (int i = 0; i < 32; ++i) reinterpret_cast<int16_t*>(q)[i] = static_cast<int16_t>(codes[i]);
  }
  for (int i = 0; dequantised && i < n; ++i) dequantised[i] = d * static_cast<float>(codes[first + i]);
}

// Two int16, each in [0, 255], minus `zero` each.
inline uint32_t subtract_pairs(uint32_t pair, uint32_t zero) {
  return ((pair | 0x80008000u) - zero * 0x00010001u) ^ 0x80008000u;
}

// A sub-block ready for dot(): `words` in steps of kPanel 32-bit lanes.
constexpr int kSteps = kBiased ? 8 : 16;
struct CodeTile {
  const uint32_t* words;
  alignas(64) float d[kPanel];
  alignas(64) float m[kPanel];
  alignas(64) int32_t half_scale[2][kPanel];  // q6_K only
  alignas(64) uint32_t expanded[kSteps * kPanel];
};

template <DType T>
inline void expand(const std::byte* panel, int64_t index, CodeTile& tile) {
  const SubBlock<T> b(panel, index);
  read_scales(b, tile.d, tile.m);
  if constexpr (T == DType::q6_K)
    for (int h = 0; h < 2; ++h) widen_signed_bytes(b.scales + h * kPanel, tile.half_scale[h]);
  tile.words = tile.expanded;
  if constexpr (kBiased) {
    if constexpr (T == DType::q8_0)
      tile.words = reinterpret_cast<const uint32_t*>(b.codes);
    else
      expand_codes(b, 128 - kZeroPoint<T>, reinterpret_cast<uint8_t*>(tile.expanded));
  } else {
    alignas(64) uint32_t words[8][kPanel];
    expand_codes(b, 0, reinterpret_cast<uint8_t*>(words));
    for (int j = 0; j < 8; ++j)
      for (int lane = 0; lane < kPanel; ++lane) {  // bytes 0 1 and 2 3 of a word become two pairs of int16
        const uint32_t w = words[j][lane];
        const uint32_t low = (w & 0xff) | (w & 0xff00) << 8, high = (w >> 16 & 0xff) | (w >> 8 & 0xff0000);
        tile.expanded[2 * j * kPanel + lane] = subtract_pairs(low, kZeroPoint<T>);
        tile.expanded[(2 * j + 1) * kPanel + lane] = subtract_pairs(high, kZeroPoint<T>);
      }
  }
}

// acc of R rows by 2 vectors of lanes over `count` blocks. x.blocks is the distance of rows in blocks.
template <DType T, int R>
inline void dot_tile(const CodeTile* tiles, int count, int lane, const QuantisedRows& x,
                     float* __restrict acc) {
  constexpr int kHalves = T == DType::q6_K ? 2 : 1;
  constexpr int64_t kBlockWords = kBiased ? 8 : 16;
  const auto* q = reinterpret_cast<const int32_t*>(x.q);
  for (int b = 0; b < count; ++b) {
    const CodeTile& tile = tiles[b];
    I total[R][2];
    for (int half = 0; half < kHalves; ++half) {
      I sum[R][2];
      WEFT_UNROLL for (int r = 0; r < R; ++r) {
        const BlockScale& s = x.scales[r * x.blocks + b];
        const int start = kHalves == 1 ? s.start : half == 0 ? s.start_half : s.start - s.start_half;
        sum[r][0] = sum[r][1] = kBiased ? set_codes(start) : zero_codes();
      }
      WEFT_UNROLL for (int step = half * kSteps / kHalves; step < (half + 1) * kSteps / kHalves; ++step) {
        const I w0 = load_codes(tile.words + step * kPanel + lane);
        const I w1 = load_codes(tile.words + step * kPanel + lane + kLanes);
        WEFT_UNROLL for (int r = 0; r < R; ++r) {
          const I xs = set_codes(q[(r * x.blocks + b) * kBlockWords + step]);
          sum[r][0] = dot(sum[r][0], w0, xs);
          sum[r][1] = dot(sum[r][1], w1, xs);
        }
      }
      WEFT_UNROLL for (int r = 0; r < R; ++r) WEFT_UNROLL for (int j = 0; j < 2; ++j) {
        if constexpr (kHalves == 1) {
          total[r][j] = sum[r][j];
        } else {
          const I scaled = mul_int(sum[r][j], load_codes(tile.half_scale[half] + lane + j * kLanes));
          total[r][j] = half == 0 ? scaled : add_int(total[r][j], scaled);
        }
      }
    }
    WEFT_UNROLL for (int r = 0; r < R; ++r) {
      const BlockScale& s = x.scales[r * x.blocks + b];
      WEFT_UNROLL for (int j = 0; j < 2; ++j) {
        const int at = lane + j * kLanes;
        F a = load(acc + r * kPanel + at);
        a = fma(to_float(total[r][j]), mul(set(s.d), load(tile.d + at)), a);
        if constexpr (kHasMin<T>) a = fma(set(s.d_sum), load(tile.m + at), a);
        store(acc + r * kPanel + at, a);
      }
    }
  }
}

template <DType T, int R>
inline void dot_rows(const CodeTile* tiles, int count, QuantisedRows& x, int64_t& rows, float*& acc) {
  while (rows >= R) {
    for (int lane = 0; lane < kPanel; lane += 2 * kLanes) dot_tile<T, R>(tiles, count, lane, x, acc);
    rows -= R, acc += R * kPanel, x.q += R * x.blocks * kBlockBytes, x.scales += R * x.blocks;
  }
}

template <DType T>
void dot_blocks(const std::byte* panel, int64_t block, int64_t blocks, QuantisedRows x, int64_t rows,
                float* acc) {
  constexpr int64_t kChunk = 8;
  CodeTile tiles[kChunk];
  for (int64_t b = 0; b < blocks; b += kChunk) {
    const int count = static_cast<int>(min_of(kChunk, blocks - b));
    for (int i = 0; i < count; ++i) expand<T>(panel, block + b + i, tiles[i]);
    QuantisedRows part = {x.q + b * kBlockBytes, x.scales + b, x.blocks};
    int64_t left = rows;
    float* to = acc;
    dot_rows<T, kDotRows>(tiles, count, part, left, to);
    if constexpr (kDotRows > 4) dot_rows<T, 4>(tiles, count, part, left, to);
    dot_rows<T, 2>(tiles, count, part, left, to);
    dot_rows<T, 1>(tiles, count, part, left, to);
  }
}

void dot_kernel(DType dtype, const std::byte* panel, int64_t block, int64_t count, const QuantisedRows& x,
                int64_t rows, float* acc) {
  const auto run = [&](auto f) { f(panel, block, count, x, rows, acc); };
  switch (dtype) {
    case DType::q8_0:
      return run(dot_blocks<DType::q8_0>);
    case DType::q4_0:
      return run(dot_blocks<DType::q4_0>);
    case DType::q4_1:
      return run(dot_blocks<DType::q4_1>);
    case DType::q5_0:
      return run(dot_blocks<DType::q5_0>);
    case DType::q5_1:
      return run(dot_blocks<DType::q5_1>);
    case DType::q4_K:
      return run(dot_blocks<DType::q4_K>);
    case DType::q5_K:
      return run(dot_blocks<DType::q5_K>);
    case DType::q6_K:
      return run(dot_blocks<DType::q6_K>);
    default:
      return;
  }
}
