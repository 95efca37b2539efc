// Included by cpu_kernels.cpp and cpu_avx512_dots.cpp, once per instruction set: q8 arithmetic, exact integer sums of 32
// products, scaled and added in block order. The including namespace has defined
//   Weights, Inputs, kCodeBytes   load_weights(p): 16 words of four unsigned bytes; set_inputs(p): one word of four activations of
//                                 kCodeBytes each, for all lanes; dot(acc, w, x) adds the four products of each lane

// Adding and taking away 1.5 * 2^23 rounds |v| < 2^22 to the nearest integer, ties to even, and leaves it in
// the low bits.
constexpr float kRoundingShift = 12582912.0f;

// Activations as dot() takes them. As int16 the four of a word are in the order 0 2 1 3, because weights come
// apart into their even and their odd bytes.
using Code = std::conditional_t<kCodeBytes == 1, int8_t, int16_t>;
constexpr int kWordBytes = 4 * kCodeBytes;
constexpr int kSteps = 8;  // words of a block

// The same arithmetic as quant::quantize_activation.
void quantise_kernel(const float* x, int first, int n, std::byte* q, int64_t stride, BlockScale* scale, float* dequantised) {
  F32x16 v[2];
  if (n == 32) {
    v[0] = load(x), v[1] = load(x + kLanes);
  } else {
    HWY_ALIGN float padded[32] = {};
    std::copy_n(x, n, padded + first);
    v[0] = load(padded), v[1] = load(padded + kLanes);
  }
  // As bits |v| orders as the values do, Inf and NaN last.
  const I32x16 magnitude = set_int(0x7fffffff);
  const auto largest = static_cast<uint32_t>(max_of(max(bits_of(v[0]) & magnitude, bits_of(v[1]) & magnitude)));
  float d = __builtin_bit_cast(float, largest) / 127;
  float inverse = 1 / d;
  bool zero = false;  // all codes
  if (largest >= 0x7f800000u) {
    d = __builtin_nanf(""), zero = true;
  } else if (inverse > 3.4028235e38f) {
    d = 0, zero = true;
  }
  if (zero) inverse = 0, v[0] = v[1] = set(0);
  const I32x16 shift = bits_of(set(kRoundingShift));
  HWY_ALIGN int32_t codes[32];
  int32_t sums[2];
  for (int h = 0; h < 2; ++h) {
    const I32x16 rounded = bits_of(v[h] * set(inverse) + set(kRoundingShift)) - shift;
    store_int(rounded, codes + h * kLanes);
    sums[h] = sum_of(rounded);
  }
  const int32_t sum = sums[0] + sums[1];
  *scale = {d, d * static_cast<float>(sum), -128 * sum, -128 * sums[0]};
  HWY_ALIGN Code packed[32];
  for (int i = 0; i < 32; ++i) packed[i] = static_cast<Code>(codes[i]);
  for (int i = 0; kCodeBytes == 2 && i < 32; i += 4) std::swap(packed[i + 1], packed[i + 2]);
  for (int i = 0; i < kSteps; ++i)
    __builtin_memcpy(q + i * stride * kWordBytes, reinterpret_cast<std::byte*>(packed) + i * kWordBytes, kWordBytes);
  for (int i = 0; dequantised && i < n; ++i) dequantised[i] = d * static_cast<float>(codes[first + i]);
}

// A sub-block ready for dot(): its codes in word order, biased so that they stand for code - 128.
struct CodeTile {
  const std::byte* words;
  alignas(64) float d[kPanel];
  alignas(64) float m[kPanel];
  alignas(64) int32_t half_scale[2][kPanel];  // q6_K only
  alignas(64) uint8_t expanded[32 * kPanel];
};

template <DType T>
inline void expand(const std::byte* panel, int64_t index, CodeTile& tile) {
  const SubBlock<T> b(panel, index);
  read_scales(b, tile.d, tile.m);
  if constexpr (T == DType::q6_K)
    for (int i = 0; i < 2 * kPanel; i += kLanes) store_int(widen<int8_t>(b.scales + i), tile.half_scale[0] + i);
  if constexpr (T == DType::q8_0) {
    tile.words = b.codes;
  } else {
    expand_codes(b, 128 - kZeroPoint<T>, tile.expanded);
    tile.words = reinterpret_cast<const std::byte*>(tile.expanded);
  }
}

// Integer sums of R rows by kTileVectors of lanes over steps [begin, end) of a block; `half` of the block for
// q6_K, else 2.
template <int R>
inline void dot_steps(const CodeTile& tile, int lane, int half, const std::byte* q, const BlockScale* scales,
                      I32x16 sum[R][kTileVectors]) {
  WEFT_UNROLL
  for (int r = 0; r < R; ++r) {
    const BlockScale& s = scales[r];
    const int32_t start = half == 2 ? s.start : half == 0 ? s.start_half : s.start - s.start_half;
    WEFT_UNROLL
    for (int j = 0; j < kTileVectors; ++j) sum[r][j] = set_int(start);
  }
  const int begin = half == 1 ? kSteps / 2 : 0, end = half == 0 ? kSteps / 2 : kSteps;
  WEFT_KEEP_LOOP
  for (int step = begin; step < end; ++step) {
    Weights w[kTileVectors];
    WEFT_UNROLL
    for (int j = 0; j < kTileVectors; ++j) w[j] = load_weights(tile.words + (step * kPanel + lane + j * kLanes) * 4);
    WEFT_UNROLL
    for (int r = 0; r < R; ++r) {
      const Inputs x = set_inputs(q + (step * R + r) * kWordBytes);
      WEFT_UNROLL
      for (int j = 0; j < kTileVectors; ++j) sum[r][j] = dot(sum[r][j], w[j], x);
    }
  }
}

template <DType T, int R>
inline void dot_block(const CodeTile& tile, int lane, const std::byte* q, const BlockScale* scales,
                      I32x16 total[R][kTileVectors]) {
  if constexpr (T != DType::q6_K) {
    dot_steps<R>(tile, lane, 2, q, scales, total);
  } else {
    I32x16 second[R][kTileVectors];
    dot_steps<R>(tile, lane, 0, q, scales, total);
    dot_steps<R>(tile, lane, 1, q, scales, second);
    WEFT_UNROLL
    for (int j = 0; j < kTileVectors; ++j) {
      const I32x16 scale0 = load_int(tile.half_scale[0] + lane + j * kLanes);
      const I32x16 scale1 = load_int(tile.half_scale[1] + lane + j * kLanes);
      WEFT_UNROLL
      for (int r = 0; r < R; ++r) total[r][j] = total[r][j] * scale0 + second[r][j] * scale1;
    }
  }
}

// R rows by kTileVectors of lanes over `count` blocks; the sums begin at 0 if `fresh`.
template <DType T, int R>
inline void dot_tile(const CodeTile* tiles, int count, int lane, const std::byte* q, const BlockScale* scales, bool fresh,
                     float* __restrict sums) {
  F32x16 acc[R][kTileVectors];
  WEFT_UNROLL
  for (int r = 0; r < R; ++r) {
    WEFT_UNROLL
    for (int j = 0; j < kTileVectors; ++j) acc[r][j] = fresh ? set(0) : load(sums + r * kPanel + lane + j * kLanes);
  }
  for (int b = 0; b < count; ++b, q += kSteps * R * kWordBytes, scales += R) {
    const CodeTile& tile = tiles[b];
    I32x16 total[R][kTileVectors];
    dot_block<T, R>(tile, lane, q, scales, total);
    WEFT_UNROLL
    for (int j = 0; j < kTileVectors; ++j) {
      const F32x16 d = load(tile.d + lane + j * kLanes);
      WEFT_UNROLL
      for (int r = 0; r < R; ++r) acc[r][j] = fma(to_float(total[r][j]), set(scales[r].d) * d, acc[r][j]);
      if constexpr (kHasMin<T>) {
        const F32x16 m = load(tile.m + lane + j * kLanes);
        WEFT_UNROLL
        for (int r = 0; r < R; ++r) acc[r][j] = fma(set(scales[r].d_sum), m, acc[r][j]);
      }
    }
  }
  WEFT_UNROLL
  for (int r = 0; r < R; ++r) {
    WEFT_UNROLL
    for (int j = 0; j < kTileVectors; ++j) store(acc[r][j], sums + r * kPanel + lane + j * kLanes);
  }
}

template <DType T, int R>
void dot_lanes(const CodeTile* tiles, int count, const std::byte* q, const BlockScale* scales, bool fresh, float* sums) {
  for (int lane = 0; lane < kPanel; lane += kTileVectors * kLanes)
    dot_tile<T, R>(tiles, count, lane, q, scales, fresh, sums);
}

template <DType T, int... R>
inline void dot_row_tile(std::integer_sequence<int, R...>, int64_t rows, const CodeTile* tiles, int count,
                         const std::byte* q, const BlockScale* scales, bool fresh, float* sums) {
  static constexpr decltype(&dot_lanes<T, 1>) kByRows[] = {dot_lanes<T, R + 1>...};
  kByRows[rows - 1](tiles, count, q, scales, fresh, sums);
}

// Part `part` of `parts` of the bytes of `count` blocks to the second-level cache. The hardware looks too
// little ahead once several rows keep the core busy between two blocks; a single row is better off without.
template <DType T>
inline void prefetch_part(const std::byte* panel, int64_t block, int64_t count, int64_t part, int64_t parts) {
  const std::byte* from = SubBlock<T>(panel, block).codes;
  const int64_t bytes = count * SubBlock<T>::f.sub_bytes() + 64;
  for (int64_t i = bytes * part / parts; i < bytes * (part + 1) / parts; i += 64) __builtin_prefetch(from + i, 0, 2);
}

constexpr int64_t kMaxChunk = 8;

template <DType T>
void dot_blocks(const std::byte* panel, int64_t block, int64_t count, const QuantisedRows& x, int64_t x_block, int64_t rows,
                float* sums) {
  CodeTile tiles[kMaxChunk];
  const int64_t row_tiles = (rows + kDotRows - 1) / kDotRows;
  const int64_t chunk = row_tiles <= 3 ? 1 : kMaxChunk;  // few tiles: one stream is better than reuse
  for (int64_t b = 0; b < count; b += chunk) {
    const int n = static_cast<int>(std::min(chunk, count - b));
    for (int i = 0; i < n; ++i) expand<T>(panel, block + b + i, tiles[i]);
    for (int64_t t = 0; t < row_tiles; ++t) {
      const RowTile tile = row_tile(rows, kDotRows, t);
      const int64_t first = tile.begin * x.blocks + (x_block + b) * tile.rows;
      if (rows > 4) prefetch_part<T>(panel, block + b + std::max<int64_t>(chunk, 4), chunk, t, row_tiles);
      dot_row_tile<T>(std::make_integer_sequence<int, kDotRows>(), tile.rows, tiles, n, x.q + first * kSteps * kWordBytes,
                      x.scales + first, b == 0, sums + tile.begin * kPanel);
    }
  }
}

void dot_kernel(DType dtype, const std::byte* panel, int64_t block, int64_t count, const QuantisedRows& x, int64_t x_block,
                int64_t rows, float* sums) {
  const auto run = [&](auto f) { f(panel, block, count, x, x_block, rows, sums); };
  switch (dtype) {
    case DType::q8_0: return run(dot_blocks<DType::q8_0>);
    case DType::q4_0: return run(dot_blocks<DType::q4_0>);
    case DType::q4_1: return run(dot_blocks<DType::q4_1>);
    case DType::q5_0: return run(dot_blocks<DType::q5_0>);
    case DType::q5_1: return run(dot_blocks<DType::q5_1>);
    case DType::q4_K: return run(dot_blocks<DType::q4_K>);
    case DType::q5_K: return run(dot_blocks<DType::q5_K>);
    case DType::q6_K: return run(dot_blocks<DType::q6_K>);
    default: return;
  }
}
