#pragma once
// The inner loops of cpu::linear, compiled once for each instruction set and chosen at run time. Every set
// gives the same bits: lanes run along N, so no sum is ever split across lanes, and integer sums are exact.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/core/dtype.h"

namespace weft::cpu {

// 16-bit floats in memory.
struct F16 {
  uint16_t bits;
};
struct BF16 {
  uint16_t bits;
};

enum class Isa : uint8_t { generic, avx2, avx512, avx512_vnni };

// One quantised block of one row of x, besides its 32 integers.
struct BlockScale {
  float d;             // NaN if the block holds a value that is not finite
  float d_sum;         // d * float(sum of q)
  int32_t start;       // -128 * sum of q: cancels the 128 that VNNI kernels add to each weight
  int32_t start_half;  // the same over the first 16
};

// x of one product as q8: blocks of 32 stored columns, zero outside of the plan's step. The integers are
// q_bytes wide.
struct QuantisedRows {
  std::byte* q;        // (rows, blocks, 32)
  BlockScale* scales;  // (rows, blocks)
  int64_t blocks;
};

struct Kernels {
  Isa isa;
  int q_bytes;  // 1: int8, 2: int16

  // out[0..n) = x rounded to bf16 or f16.
  void (*round)(Arithmetic a, const float* x, int64_t n, float* out);
  // A block with the n <= 32 values of x at columns [first, first + n) and zeros elsewhere. dequantised[0..n)
  // = d * q, unless it is null.
  void (*quantise)(const float* x, int first, int n, std::byte* q, BlockScale* scale, float* dequantised);
  // acc[r][lane] = fma(x[r][k], w[k][lane], acc) over stored columns k_begin <= k < k_end of a panel; x
  // points to the value for k_begin. acc is (rows, 32).
  void (*fma)(DType dtype, const std::byte* panel, int64_t k_begin, int64_t k_end, const float* x,
              int64_t x_row, int64_t rows, float* acc);
  // The q8 form over `count` blocks of 32 stored columns from `block`; x.q and x.scales point to the first of
  // them.
  void (*dot)(DType dtype, const std::byte* panel, int64_t block, int64_t count, const QuantisedRows& x,
              int64_t rows, float* acc);
  // to[0..n) += from[0..n)
  void (*add)(float* to, const float* from, int64_t n);
};

// The best set this CPU has, or the one chosen by use_isa().
const Kernels& kernels();
// All sets this CPU can run, for tests; and the choice among them.
std::vector<Isa> supported_isas();
void use_isa(Isa isa);

}  // namespace weft::cpu
