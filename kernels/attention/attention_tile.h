#pragma once
// The inner piece of CPU attention: a tile of query rows that share a KV head, against one split of 128 positions.
#include "kernels/attention/attention.h"

namespace weft::cpu {

constexpr int kSplit = 128;    // positions
constexpr int kTileRows = 48;  // query rows a tile has at most: scores of a split fit the L1 cache

// Rows are token-major: row r is token row + r / heads of the batch, query head q_head + r % heads.
struct Tile {
  int32_t table_row, kv_head;
  int32_t q_head, heads;
  int32_t row, tokens;
  int32_t position;  // of the first token in its sequence

  int rows() const { return tokens * heads; }
  // Row r sees positions [begin, end).
  int64_t end(int r) const { return position + r / heads + 1; }
  int64_t begin(int r, int window) const { return window > 0 && end(r) > window ? end(r) - window : 0; }
  // Splits that any row sees.
  int64_t split_begin(int window) const { return begin(0, window) / kSplit; }
  int64_t split_end() const { return (position + tokens + kSplit - 1) / kSplit; }
};

// Softmax state of a tile's rows over some splits; out is not divided by sum yet. sum == 0: the row saw nothing.
struct Partial {
  float* max;  // (kTileRows)
  float* sum;  // (kTileRows)
  float* out;  // (kTileRows, padded_dim(head_dim))
};

constexpr int64_t padded_dim(int64_t head_dim) { return (head_dim + 15) / 16 * 16; }
constexpr int64_t partial_floats(int64_t head_dim) { return kTileRows * (2 + padded_dim(head_dim)); }
inline Partial partial_at(float* memory) { return {memory, memory + kTileRows, memory + 2 * kTileRows}; }

// The q of a tile and its scores against a split.
constexpr int64_t scratch_floats(int64_t head_dim) { return kTileRows * (head_dim + kSplit); }

struct TileInput {
  Tensor q;
  const PagedKv& kv;
  const int32_t* blocks;  // the sequence's row of the block table
  const AttentionParams& params;
};

void attend_split(const Tile& tile, const TileInput& input, int64_t split, Partial part, float* scratch);
void clear(Partial running, int rows, int64_t head_dim);
void fold(Partial running, Partial part, int rows, int64_t head_dim);
void finish(Tensor out, const Tile& tile, Partial running);

}  // namespace weft::cpu
