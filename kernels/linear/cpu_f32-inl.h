// Included by cpu_<isa>.cpp (see cpu_kernels-inl.h): f32 arithmetic. Quantised weights are expanded to a tile
// of 32 columns that stays in L1 and serves all rows.

// R rows by C vectors of lanes: one FMA chain for each, over k, from 0 if `fresh`.
template <int R, int C, class W>
inline void fma_tile(const W* __restrict w, const float* __restrict x, int64_t x_row, int64_t k, bool fresh,
                     float* __restrict sums) {
  F acc[R][C];
  WEFT_UNROLL
  for (int r = 0; r < R; ++r) {
    WEFT_UNROLL
    for (int j = 0; j < C; ++j) acc[r][j] = fresh ? set(0) : load(sums + r * kPanel + j * kLanes);
  }
  for (int64_t i = 0; i < k; ++i) {
    F wi[C];
    WEFT_UNROLL
    for (int j = 0; j < C; ++j) wi[j] = load(w + i * kPanel + j * kLanes);
    WEFT_UNROLL
    for (int r = 0; r < R; ++r) {
      const F xi = set(x[r * x_row + i]);
      WEFT_UNROLL
      for (int j = 0; j < C; ++j) acc[r][j] = fma(xi, wi[j], acc[r][j]);
    }
  }
  WEFT_UNROLL
  for (int r = 0; r < R; ++r) {
    WEFT_UNROLL
    for (int j = 0; j < C; ++j) store(sums + r * kPanel + j * kLanes, acc[r][j]);
  }
}

// All lanes of a panel; a single row takes them at once, so that the panel is read in one stream.
template <int R, class W>
void fma_lanes(const W* w, const float* x, int64_t x_row, int64_t k, bool fresh, float* sums) {
  constexpr int C = R == 1 ? kPanel / kLanes : 2;
  for (int lane = 0; lane < kPanel; lane += C * kLanes) fma_tile<R, C>(w + lane, x, x_row, k, fresh, sums + lane);
}

template <class W, int... R>
inline void fma_row_tile(std::integer_sequence<int, R...>, int64_t rows, const W* w, const float* x, int64_t x_row,
                         int64_t k, bool fresh, float* sums) {
  static constexpr decltype(&fma_lanes<1, W>) kByRows[] = {fma_lanes<R + 1, W>...};
  kByRows[rows - 1](w, x, x_row, k, fresh, sums);
}

template <class W>
inline void fma_all_rows(const W* w, const float* x, int64_t x_row, int64_t k, int64_t rows, bool fresh, float* sums) {
  const int64_t tiles = (rows + kFmaRows - 1) / kFmaRows;
  for (int64_t t = 0; t < tiles; ++t) {
    const RowTile tile = row_tile(rows, kFmaRows, t);
    fma_row_tile<W>(std::make_integer_sequence<int, kFmaRows>(), tile.rows, w, x + tile.begin * x_row, x_row, k, fresh,
                    sums + tile.begin * kPanel);
  }
}

constexpr int64_t kFmaChunk = 128;  // of K: what all rows reuse stays in L1

template <class W>
void fma_plain(const std::byte* panel, int64_t k_begin, int64_t k_end, const float* x, int64_t x_row, int64_t rows,
               float* sums) {
  const W* w = reinterpret_cast<const W*>(panel);
  const int64_t chunk = rows <= kFmaRows ? k_end - k_begin : kFmaChunk;
  for (int64_t k = k_begin; k < k_end; k += chunk)
    fma_all_rows(w + k * kPanel, x + (k - k_begin), x_row, min_of(chunk, k_end - k), rows, k == k_begin, sums);
}

// tile[k][lane] = weights of a sub-block, exactly as quant::dequantize gives them.
template <DType T>
inline void dequantise(const std::byte* panel, int64_t index, float* __restrict tile) {
  const SubBlock<T> b(panel, index);
  alignas(64) uint32_t words[8][kPanel];
  expand_codes(b, 0, reinterpret_cast<uint8_t*>(words));
  alignas(64) float d[2][kPanel], m[kPanel];
  read_scales(b, d[0], m);
  if constexpr (T == DType::q6_K) {
    alignas(64) int32_t scale[2][kPanel];
    for (int h = 0; h < 2; ++h) widen_signed_bytes(b.scales + h * kPanel, scale[h]);
    for (int i = 0; i < kPanel; ++i) d[1][i] = d[0][i] * static_cast<float>(scale[1][i]);
    for (int i = 0; i < kPanel; ++i) d[0][i] = d[0][i] * static_cast<float>(scale[0][i]);
  }
  for (int j = 0; j < 8; ++j) {
    const float* scale = T == DType::q6_K ? d[j / 4] : d[0];
    for (int i = 0; i < 4; ++i) {
      float* out = tile + (4 * j + i) * kPanel;
      for (int lane = 0; lane < kPanel; ++lane) {
        const int code = static_cast<int>((words[j][lane] >> (8 * i)) & 255) - kZeroPoint<T>;
        out[lane] = scale[lane] * static_cast<float>(code);
        if constexpr (kHasMin<T>) out[lane] += m[lane];
      }
    }
  }
}

template <DType T>
void fma_quantised(const std::byte* panel, int64_t k_begin, int64_t k_end, const float* x, int64_t x_row, int64_t rows,
                   float* sums) {
  alignas(64) float tile[kFmaChunk * kPanel];
  for (int64_t k = k_begin / 32 * 32; k < k_end; k += kFmaChunk) {
    const int64_t begin = max_of(k, k_begin), end = min_of(k + kFmaChunk, k_end);
    for (int64_t sub = k; sub < end; sub += 32) dequantise<T>(panel, sub / 32, tile + (sub - k) * kPanel);
    fma_all_rows(tile + (begin - k) * kPanel, x + (begin - k_begin), x_row, end - begin, rows, begin == k_begin, sums);
  }
}

void fma_kernel(DType dtype, const std::byte* panel, int64_t k_begin, int64_t k_end, const float* x, int64_t x_row,
                int64_t rows, float* sums) {
  const auto run = [&](auto f) { f(panel, k_begin, k_end, x, x_row, rows, sums); };
  switch (dtype) {
    case DType::f32: return run(fma_plain<float>);
    case DType::f16: return run(fma_plain<F16>);
    case DType::bf16: return run(fma_plain<BF16>);
    case DType::q8_0: return run(fma_quantised<DType::q8_0>);
    case DType::q4_0: return run(fma_quantised<DType::q4_0>);
    case DType::q4_1: return run(fma_quantised<DType::q4_1>);
    case DType::q5_0: return run(fma_quantised<DType::q5_0>);
    case DType::q5_1: return run(fma_quantised<DType::q5_1>);
    case DType::q4_K: return run(fma_quantised<DType::q4_K>);
    case DType::q5_K: return run(fma_quantised<DType::q5_K>);
    case DType::q6_K: return run(fma_quantised<DType::q6_K>);
    case DType::i32: return;
  }
}

void add_kernel(float* to, const float* from, int64_t n) {
  for (int64_t i = 0; i < n; i += kLanes) store(to + i, add(load(to + i), load(from + i)));
}
