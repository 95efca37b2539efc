#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention/attention_tile_cpu.cpp"
#include "kernels/core/simd_targets.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "kernels/attention/attention_tile.h"
#include "kernels/core/simd.h"

HWY_BEFORE_NAMESPACE();
namespace weft::HWY_NAMESPACE {
namespace {

using cpu::kSplit;
using cpu::kTileRows;
using cpu::Partial;
using cpu::Tile;
using cpu::TileInput;

// Register blocking: kRows rows of kVectors vectors are accumulated at once. It changes no bit.
constexpr int kRows = 6;
constexpr int kVectors = kParts == 1 ? 4 : 1;
constexpr float kLowest = -std::numeric_limits<float>::infinity();

// Both products of attention are this one:
//   c[r, 16 p + lane] += sum_i a[r, i] * b[p][i, lane]      i ascending in [0, k), r < R, p < P
// where b[p] points to rows of `lanes` <= 16 values, ldb apart. Scores: a = q, b = K tiles; output: a = weights, b = V.
template <int R, int P, bool kWhole, class T>
void multiply_add(float* c, int64_t ldc, const float* a, int64_t lda, const T* const* b, int64_t ldb, int64_t k,
                  int64_t lanes) {
  F32x16 acc[R][P];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p) acc[r][p] = load(c + r * ldc + p * kLanes);
  for (int64_t i = 0; i < k; ++i) {
    F32x16 column[P];
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p) column[p] = kWhole ? load(b[p] + i * ldb) : load_n(b[p] + i * ldb, lanes);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const F32x16 x = set(a[r * lda + i]);
#pragma GCC unroll 4
      for (int p = 0; p < P; ++p) acc[r][p] = fma(x, column[p], acc[r][p]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p) store(acc[r][p], c + r * ldc + p * kLanes);
}

template <int P, bool kWhole, class T>
void multiply_add_rows(int rows, float* c, int64_t ldc, const float* a, int64_t lda, const T* const* b, int64_t ldb,
                       int64_t k, int64_t lanes = kLanes) {
  switch (rows) {
    case 1: return multiply_add<1, P, kWhole>(c, ldc, a, lda, b, ldb, k, lanes);
    case 2: return multiply_add<2, P, kWhole>(c, ldc, a, lda, b, ldb, k, lanes);
    case 3: return multiply_add<3, P, kWhole>(c, ldc, a, lda, b, ldb, k, lanes);
    case 4: return multiply_add<4, P, kWhole>(c, ldc, a, lda, b, ldb, k, lanes);
    case 5: return multiply_add<5, P, kWhole>(c, ldc, a, lda, b, ldb, k, lanes);
    default: return multiply_add<kRows, P, kWhole>(c, ldc, a, lda, b, ldb, k, lanes);
  }
}

// One tile against one split, for a cache of T.
template <class T>
struct SplitPass {
  const Tile& tile;
  const TileInput& input;
  const int64_t first;  // the split's first position
  const int64_t dim, padded, block_size;
  float* const q;       // (kTileRows, dim), times scale
  float* const scores;  // (kTileRows, kSplit), later the softmax weights
  const Partial part;

  SplitPass(const Tile& tile, const TileInput& input, int64_t split, Partial part, float* scratch)
      : tile(tile), input(input), first(split * kSplit), dim(input.q.dim(2)), padded(cpu::padded_dim(dim)),
        block_size(input.kv.block_size()), q(scratch), scores(scratch + kTileRows * dim), part(part) {}

  // What row r sees of this split, relative to its first position.
  int64_t begin(int r) const { return std::max<int64_t>(tile.begin(r, input.params.window) - first, 0); }
  int64_t end(int r) const { return std::clamp<int64_t>(tile.end(r) - first, 0, kSplit); }

  // Values of this KV head's block that holds a position of the split.
  const T* block_of(const Tensor& cache, int64_t position) const {
    const int64_t block = input.blocks[(first + position) / block_size];
    return cache.raw<T>() + block * cache.stride[0] + tile.kv_head * cache.stride[1];
  }

  void run() {
    load_queries();
    const int rows = tile.rows();
    const int64_t tile_begin = begin(0) / kLanes, tile_end = (end(rows - 1) + kLanes - 1) / kLanes;
    for (int r = 0; r < rows; ++r)
      std::memset(scores + r * kSplit + tile_begin * kLanes, 0, sizeof(float) * kLanes * (tile_end - tile_begin));
    int64_t t = tile_begin;
    for (; t + kVectors <= tile_end; t += kVectors) score<kVectors>(t);
    for (; t < tile_end; ++t) score<1>(t);
    for (int r = 0; r < rows; ++r) softmax(r);
    std::memset(part.out, 0, sizeof(float) * rows * padded);
    for (int r = 0; r < rows; r += kRows) weigh_values(r, std::min(kRows, rows - r));
  }

  void load_queries() {
    for (int t = 0; t < tile.tokens; ++t) {
      const float* source = input.q.as<float>() + (tile.row + t) * input.q.stride[0] + tile.q_head * dim;
      float* rows = q + t * tile.heads * dim;
      for (int64_t i = 0; i < tile.heads * dim; ++i) rows[i] = source[i] * input.params.scale;
    }
  }

  // Scores of all rows against P tiles of 16 positions.
  template <int P>
  void score(int64_t first_tile) {
    const T* k[P];
    for (int p = 0; p < P; ++p) {
      const int64_t position = (first_tile + p) * kLanes;
      k[p] = block_of(input.kv.k, position) + (first + position) % block_size;
    }
    for (int r = 0; r < tile.rows(); r += kRows)
      multiply_add_rows<P, true>(std::min(kRows, tile.rows() - r), scores + r * kSplit + first_tile * kLanes, kSplit,
                                 q + r * dim, dim, k, block_size, dim);
  }

  void softmax(int r) {
    float* row = scores + r * kSplit;
    const int64_t lo = begin(r), hi = end(r);
    part.max[r] = kLowest;
    part.sum[r] = 0;
    if (lo >= hi) return;
    F32x16 largest = set(kLowest);
    for (int64_t i = lo / kLanes * kLanes; i < hi; i += kLanes) {
      F32x16 s = load(row + i);
      if (input.params.soft_cap > 0) s = set(input.params.soft_cap) * tanh(s / set(input.params.soft_cap));
      if (i < lo || i + kLanes > hi) s = keep_lanes(s, lo - i, hi - i, set(kLowest));
      largest = max(largest, s);
      store(s, row + i);
    }
    part.max[r] = max(largest);
    F32x16 total = zero();
    for (int64_t i = lo / kLanes * kLanes; i < hi; i += kLanes) {
      const F32x16 weight = exp(load(row + i) - set(part.max[r]));
      total = total + weight;
      store(weight, row + i);
    }
    part.sum[r] = sum(total);
  }

  // Adds the weighted values to rows [r, r + n): together where all of them see the position, else row by row, so that
  // what a row does not see (which may be NaN) never touches it.
  void weigh_values(int r, int n) {
    int64_t all_begin = 0, all_end = kSplit;
    for (int i = r; i < r + n; ++i) {
      all_begin = std::max(all_begin, begin(i));
      all_end = std::min(all_end, end(i));
    }
    if (all_begin >= all_end) all_begin = all_end = kSplit;
    for (int i = r; i < r + n; ++i) add_values(i, 1, begin(i), std::min(all_begin, end(i)));
    add_values(r, n, all_begin, all_end);
    for (int i = r; i < r + n; ++i) add_values(i, 1, std::max(all_end, begin(i)), end(i));
  }

  void add_values(int r, int n, int64_t begin, int64_t end) {
    while (begin < end) {
      const int64_t offset = (first + begin) % block_size;
      const int64_t count = std::min(end - begin, block_size - offset);
      const T* v = block_of(input.kv.v, begin) + offset * dim;
      const float* weights = scores + r * kSplit + begin;
      float* out = part.out + r * padded;
      int64_t d = 0;
      for (; d + kVectors * kLanes <= dim; d += kVectors * kLanes) {
        const T* columns[kVectors];
        for (int p = 0; p < kVectors; ++p) columns[p] = v + d + p * kLanes;
        multiply_add_rows<kVectors, true>(n, out + d, padded, weights, kSplit, columns, dim, count);
      }
      for (; d < dim; d += kLanes) {
        const T* column = v + d;
        if (d + kLanes <= dim)
          multiply_add_rows<1, true>(n, out + d, padded, weights, kSplit, &column, dim, count);
        else
          multiply_add_rows<1, false>(n, out + d, padded, weights, kSplit, &column, dim, count, dim - d);
      }
      begin += count;
    }
  }
};

void attend_split(const Tile& tile, const TileInput& input, int64_t split, Partial part, float* scratch) {
  switch (input.kv.k.dtype) {
    case DType::f32: return SplitPass<float>(tile, input, split, part, scratch).run();
    case DType::f16: return SplitPass<f16>(tile, input, split, part, scratch).run();
    default: return SplitPass<bf16>(tile, input, split, part, scratch).run();
  }
}

// (max, sum, out) of both parts brought to the common maximum and added.
void fold(Partial running, Partial part, int rows, int64_t head_dim) {
  const int64_t padded = cpu::padded_dim(head_dim);
  for (int first = 0; first < rows; first += kLanes) {
    const F32x16 a = load(running.max + first), b = load(part.max + first);
    const F32x16 both = max(a, b);
    HWY_ALIGN float largest[kLanes], scale_a[kLanes], scale_b[kLanes];
    store(both, largest);
    store(exp(a - both), scale_a);
    store(exp(b - both), scale_b);
    for (int r = first; r < std::min(first + kLanes, rows); ++r) {
      if (part.sum[r] == 0) continue;
      const F32x16 x = set(scale_a[r - first]), y = set(scale_b[r - first]);
      running.max[r] = largest[r - first];
      running.sum[r] = running.sum[r] * scale_a[r - first] + part.sum[r] * scale_b[r - first];
      float* out = running.out + r * padded;
      for (int64_t d = 0; d < padded; d += kLanes)
        store(fma(load(part.out + r * padded + d), y, load(out + d) * x), out + d);
    }
  }
}

void finish(Tensor out, const Tile& tile, Partial running) {
  const int64_t dim = out.dim(2), padded = cpu::padded_dim(dim);
  for (int r = 0; r < tile.rows(); ++r) {
    float* row = out.as<float>() + (tile.row + r / tile.heads) * out.stride[0] + (tile.q_head + r % tile.heads) * dim;
    const F32x16 total = set(running.sum[r]);
    for (int64_t d = 0; d < dim; d += kLanes) store_n(load(running.out + r * padded + d) / total, row + d, dim - d);
  }
}

}  // namespace
}  // namespace weft::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace weft {

HWY_EXPORT(attend_split);
HWY_EXPORT(fold);
HWY_EXPORT(finish);

namespace cpu {

void attend_split(const Tile& tile, const TileInput& input, int64_t split, Partial part, float* scratch) {
  HWY_DYNAMIC_DISPATCH(attend_split)(tile, input, split, part, scratch);
}

void clear(Partial running, int rows, int64_t head_dim) {
  std::fill_n(running.max, kTileRows, -std::numeric_limits<float>::infinity());
  std::fill_n(running.sum, kTileRows, 0.0f);
  std::fill_n(running.out, rows * padded_dim(head_dim), 0.0f);
}

void fold(Partial running, Partial part, int rows, int64_t head_dim) {
  HWY_DYNAMIC_DISPATCH(fold)(running, part, rows, head_dim);
}

void finish(Tensor out, const Tile& tile, Partial running) { HWY_DYNAMIC_DISPATCH(finish)(out, tile, running); }

}  // namespace cpu
}  // namespace weft
#endif
