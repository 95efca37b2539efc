// Included by cpu_kernels.cpp and cpu_avx512_dots.cpp, once per instruction set: the register tile that every product with float sums shares. A Product says
// what one step along K takes:
//   W, X, kX           elements of the panel (32 of them a step) and of a row of x (kX of them a step)
//   load(w)            16 elements of the panel, as add() takes them
//   add(acc, w, x)     acc plus the products of one step, in ascending k

// R rows by C vectors of lanes: one chain of sums for each, over `steps`, from 0 if `fresh`.
template <class Product, int R, int C>
inline void sum_tile(const typename Product::W* __restrict w, const typename Product::X* __restrict x, int64_t x_row,
                     int64_t steps, bool fresh, float* __restrict sums) {
  F32x16 acc[R][C];
  WEFT_UNROLL
  for (int r = 0; r < R; ++r) {
    WEFT_UNROLL
    for (int j = 0; j < C; ++j) acc[r][j] = fresh ? set(0) : load(sums + r * kPanel + j * kLanes);
  }
  for (int64_t i = 0; i < steps; ++i) {
    decltype(Product::load(w)) wi[C];
    WEFT_UNROLL
    for (int j = 0; j < C; ++j) wi[j] = Product::load(w + i * kPanel + j * kLanes);
    WEFT_UNROLL
    for (int r = 0; r < R; ++r) {
      WEFT_UNROLL
      for (int j = 0; j < C; ++j) acc[r][j] = Product::add(acc[r][j], wi[j], x + r * x_row + i * Product::kX);
    }
  }
  WEFT_UNROLL
  for (int r = 0; r < R; ++r) {
    WEFT_UNROLL
    for (int j = 0; j < C; ++j) store(acc[r][j], sums + r * kPanel + j * kLanes);
  }
}

// All lanes of a panel; a single row takes them at once, so that the panel is read in one stream.
template <class Product, int R>
void sum_lanes(const typename Product::W* w, const typename Product::X* x, int64_t x_row, int64_t steps, bool fresh,
               float* sums) {
  constexpr int C = R == 1 ? kPanel / kLanes : kTileVectors;
  for (int lane = 0; lane < kPanel; lane += C * kLanes)
    sum_tile<Product, R, C>(w + lane, x, x_row, steps, fresh, sums + lane);
}

template <class Product, int... R>
inline void sum_row_tile(std::integer_sequence<int, R...>, int64_t rows, const typename Product::W* w,
                         const typename Product::X* x, int64_t x_row, int64_t steps, bool fresh, float* sums) {
  static constexpr decltype(&sum_lanes<Product, 1>) kByRows[] = {sum_lanes<Product, R + 1>...};
  kByRows[rows - 1](w, x, x_row, steps, fresh, sums);
}

// sum[r][lane] over `steps` of a panel, for all rows: (rows, 32), from 0 if `fresh`.
template <class Product>
inline void sum_rows(const typename Product::W* w, const typename Product::X* x, int64_t x_row, int64_t steps, int64_t rows,
                     bool fresh, float* sums) {
  const int64_t tiles = (rows + kFmaRows - 1) / kFmaRows;
  for (int64_t t = 0; t < tiles; ++t) {
    const RowTile tile = row_tile(rows, kFmaRows, t);
    sum_row_tile<Product>(std::make_integer_sequence<int, kFmaRows>(), tile.rows, w, x + tile.begin * x_row, x_row, steps,
                          fresh, sums + tile.begin * kPanel);
  }
}

constexpr int64_t kFmaChunk = 128;  // steps: what all rows reuse stays in L1

template <class Product>
void sum_chunks(const typename Product::W* w, const typename Product::X* x, int64_t x_row, int64_t steps, int64_t rows,
                bool fresh, float* sums) {
  const int64_t chunk = rows <= kFmaRows ? steps : kFmaChunk;
  for (int64_t i = 0; i < steps; i += chunk)
    sum_rows<Product>(w + i * kPanel, x + i * Product::kX, x_row, std::min(chunk, steps - i), rows, fresh && i == 0, sums);
}
