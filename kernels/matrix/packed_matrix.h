#pragma once
// Weights of a matrix product, repacked once at load: panels of 32 output rows interleaved along K, so that vector lanes
// run along N. The stored type is kept (a q4_0 matrix stays 4.5 bits a weight, give or take 3 % and the padding of N).
#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/core/buffer.h"
#include "kernels/core/dtype.h"

namespace weft {

// One or more matrices stacked along N that share their input (q, k and v; gate and up), each with its own stored type.
class PackedMatrix {
 public:
  static constexpr int kPanel = 32;

  struct Segment {
    DType dtype;
    int64_t n_begin = 0, n_rows = 0;  // columns of y it produces
    int64_t panel_bytes = 0;          // bytes of one panel; panel p holds rows n_begin + [32 p, 32 p + 32)
    std::byte* panels = nullptr;
    std::shared_ptr<Buffer> slab;     // the memory panels lie in, shared with segments made before and after
    int64_t panel_count() const { return (n_rows + kPanel - 1) / kPanel; }
    int64_t bytes() const { return panel_count() * panel_bytes; }
  };

  int64_t n() const { return n_; }
  int64_t k() const { return k_; }                 // columns of x it takes
  int64_t k_offset() const { return k_offset_; }   // stored columns before the first: quantisation blocks are not cut
  int64_t k_stored() const { return k_stored_; }   // all stored columns, whole blocks
  const std::vector<Segment>& segments() const { return segments_; }
  int64_t bytes() const;                           // resident bytes of weights and bias

  // Optional, added to y in f32 at the end of the sum; n() values. Only for plans with one output.
  const float* bias() const { return bias_.bytes() ? reinterpret_cast<const float*>(bias_.data()) : nullptr; }
  void set_bias(std::vector<float> bias);

  PackedMatrix() = default;
  // A matrix over k columns of x, stored with k_offset columns before them and padded to k_stored >= k_offset + k.
  PackedMatrix(int64_t k, int64_t k_offset, int64_t k_stored);

  // Appends n_rows rows of `dtype`. `rows` points to n_rows rows in the stored (file) format, each of k_stored elements
  // and row_bytes apart. Packing runs on the calling thread; the source may be released afterwards.
  void append(DType dtype, int64_t n_rows, const void* rows, int64_t row_bytes);

  // The same in two steps, for filling from several threads or in pieces: reserve, then fill rows [row, row + count)
  // of that segment; row must be a multiple of 32, and count too unless it ends the segment.
  int add_segment(DType dtype, int64_t n_rows);
  void fill(int segment, int64_t row, int64_t count, const void* rows, int64_t row_bytes);

  // out[0..k()) = row n as f32, exactly quant::dequantize of the source. For embedding look-ups and `ref`.
  void unpack_row(int64_t n, float* out) const;

 private:
  int64_t n_ = 0, k_ = 0, k_offset_ = 0, k_stored_ = 0;
  std::vector<Segment> segments_;
  Buffer bias_;
};

}  // namespace weft
