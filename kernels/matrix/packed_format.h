#pragma once
// Bytes inside a panel of PackedMatrix: 32 rows (lanes) of one segment, along all of k_stored.
//
// f32, f16:        element [k][lane].
// bf16:            [k / 2][lane], words whose upper half is the even column and whose lower half is the odd one, zero past the
//                  end: with its lower half cleared a word is the even column in f32, and the CPUs' dot products of bf16
//                  pairs add the upper halves first.
// Quantised types: blocks one after another along K; a block is its header, then its sub-blocks of 32 columns (one, of K types
//                  eight).
//   header             f16 [lane] scale d; q4_1, q5_1: then f16 [lane] minimum m; q4_K, q5_K: then f16 [lane] dmin
//   sub-block scales   q4_K, q5_K: uint8 [lane] scale, uint8 [lane] minimum; q6_K: int8 [2][lane] scale of each half
//             codes    8 bits: [8][lane][4], word (j, lane) holds columns 4 j .. 4 j + 3 of a row. This order of words is "the
//                      word order": integer dot products take four neighbours along K in each 32-bit lane.
//                      4 bits: [4][lane][4], low nibbles are words j, high nibbles words j + 4
//             high     fifth bits: bit t belongs to byte t of the word order; q6_K: two upper bits, [2][lane][4], bits 2 f and
//                      2 f + 1 belong to word j + 2 f
// Codes are GGUF's; of q8_0 they are the int8 + 128.
#include <cstdint>

#include "kernels/core/dtype.h"

namespace weft {

struct PackedFormat {
  int subs;  // sub-blocks of a block; 0 for plain types
  int header_bytes;
  int scale_bytes;  // of a sub-block
  int code_bytes;
  int high_bytes;

  constexpr int sub_bytes() const { return scale_bytes + code_bytes + high_bytes; }
  constexpr int block_bytes() const { return header_bytes + subs * sub_bytes(); }
};

constexpr PackedFormat packed_format(DType dtype) {
  switch (dtype) {
    case DType::q8_0: return {1, 64, 0, 1024, 0};
    case DType::q4_0: return {1, 64, 0, 512, 0};
    case DType::q4_1: return {1, 128, 0, 512, 0};
    case DType::q5_0: return {1, 64, 0, 512, 128};
    case DType::q5_1: return {1, 128, 0, 512, 128};
    case DType::q4_K: return {8, 128, 64, 512, 0};
    case DType::q5_K: return {8, 128, 64, 512, 128};
    case DType::q6_K: return {8, 64, 64, 512, 256};
    default: return {0, 0, 0, 0, 0};
  }
}

}  // namespace weft
