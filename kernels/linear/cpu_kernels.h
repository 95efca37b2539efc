#pragma once
// The inner loops of cpu::linear, compiled once for each instruction set and chosen at run time: Highway's targets
// (cpu_kernels.cpp), and on AVX-512 the dot-product instructions that Highway 1.0 does not have (cpu_avx512_dots.cpp). Every set
// gives the same bits: lanes run along N, so no sum is ever split across lanes, and integer sums are exact.
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/core/dtype.h"

namespace weft::cpu {

// While it lives, subnormal operands and results of this thread's vector arithmetic count as zero.
class FlushSubnormals {
 public:
#if defined(__x86_64__)
  FlushSubnormals() { __builtin_ia32_ldmxcsr(saved_ | 0x8040); }  // FTZ and DAZ
  ~FlushSubnormals() { __builtin_ia32_ldmxcsr(saved_); }

 private:
  const unsigned saved_ = __builtin_ia32_stmxcsr();
#endif
};

// One quantised block of one row of x, besides its 32 integers.
struct BlockScale {
  float d;             // NaN if the block holds a value that is not finite
  float d_sum;         // d * float(sum of q)
  int32_t start;       // -128 * sum of q: cancels the 128 added to each weight to make it unsigned
  int32_t start_half;  // the same over the first 16
};

// Rows of x that a register tile takes together. A block of rows is cut into the fewest tiles of at most
// `limit` rows, as even as they can be.
struct RowTile {
  int64_t begin, rows;
};
inline RowTile row_tile(int64_t rows, int64_t limit, int64_t index) {
  const int64_t tiles = (rows + limit - 1) / limit, begin = rows * index / tiles;
  return {begin, rows * (index + 1) / tiles - begin};
}
inline RowTile row_tile_of(int64_t rows, int64_t limit, int64_t row) {
  const int64_t tiles = (rows + limit - 1) / limit;
  return row_tile(rows, limit, ((row + 1) * tiles - 1) / rows);
}

// A block of rows of x as q8: its tiles one after another, in each of them the rows side by side, so that a
// tile of the product reads one stream. Blocks are 32 stored columns, zero outside of the plan's step; a word
// is four columns.
struct QuantisedRows {
  std::byte* q;        // of a tile: (blocks, 8, rows of the tile) words
  BlockScale* scales;  // of a tile: (blocks, rows of the tile)
  int64_t blocks;      // of all steps of the plan
};

struct Kernels {
  const char* name;
  int q_bytes;    // width of a quantised activation. 1: int8, 2: int16
  int tile_rows;  // limit of the tiles in QuantisedRows

  // out[0..n) = x rounded to bf16 or f16.
  void (*round)(Arithmetic a, const float* x, int64_t n, float* out);
  // x rounded to bf16, in words like those of bf16 weights; x[0] is the upper half of out[0], or its lower half if `odd`.
  void (*round_pairs)(const float* x, bool odd, int64_t n, int32_t* out);
  // The block with the n <= 32 values of x at columns [first, first + n) and zeros elsewhere; its words are
  // `stride` apart. dequantised[0..n) = d * q, unless it is null.
  void (*quantise)(const float* x, int first, int n, std::byte* q, int64_t stride, BlockScale* scale, float* dequantised);
  // sum[r][lane] = fma(x[r][k], w[k][lane], sum) over stored columns k_begin <= k < k_end of a panel, from 0;
  // x points to the value for k_begin. sum is (rows, 32).
  void (*fma)(DType dtype, const std::byte* panel, int64_t k_begin, int64_t k_end, const float* x, int64_t x_row,
              int64_t rows, float* sum);
  // The same for bf16 weights and x in words, of which x points to the one that holds k_begin; subnormals count as zero.
  void (*dot_bf16)(const std::byte* panel, int64_t k_begin, int64_t k_end, const int32_t* x, int64_t x_row, int64_t rows,
                   float* sum);
  // The q8 form over `count` blocks of 32 stored columns, from `block` of the panel and x_block of x.
  void (*dot)(DType dtype, const std::byte* panel, int64_t block, int64_t count, const QuantisedRows& x, int64_t x_block,
              int64_t rows, float* sum);
  // to[0..n) += from[0..n)
  void (*add)(float* to, const float* from, int64_t n);
};

// The best set this CPU has, or the one chosen by use_kernels().
const Kernels& kernels();
// All sets this CPU can run, best first, for tests and benchmarks; and the choice among them.
std::vector<const Kernels*> supported_kernels();
void use_kernels(const Kernels* set);  // null: the best again

// `set`, which Highway chose, with the dot-product instructions of this CPU added one after the other; empty if it has none.
std::span<const Kernels> with_dot_instructions(const Kernels& set);

}  // namespace weft::cpu
