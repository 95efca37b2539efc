#pragma once
// What a rank needs around a collective op in a test: threads, an arena of exactly the declared workspace,
// random data. One communicator is both groups.
#include <cstring>
#include <functional>
#include <random>

#include "parallel/linear_tp.h"

namespace weft {

class RankContext {
 public:
  RankContext(Communicator& comm, Arithmetic arithmetic, int64_t workspace, int threads = 1)
      : pool_(threads), arena_(workspace), context_{pool_, arena_}, parallel{comm, comm, context_, arithmetic} {}
  // For a dry run, as rank `comm.rank()`.
  static int64_t measure(Communicator& comm, Arithmetic arithmetic, const std::function<void(Parallel&)>& run,
                         int threads = 1) {
    const auto dry = dry_communicator(comm.rank(), comm.size());
    ThreadPool pool(threads);
    Arena arena = Arena::measuring();
    Context context{pool, arena};
    Parallel parallel{*dry, *dry, context, arithmetic};
    run(parallel);
    return arena.peak();
  }
  int64_t peak() const { return arena_.peak(); }

 private:
  ThreadPool pool_;
  Arena arena_;
  Context context_;

 public:
  Parallel parallel;
};

// An f32 matrix that owns its values.
struct Matrix {
  int64_t rows, cols;
  std::vector<float> values;
  Matrix(int64_t r, int64_t c) : rows(r), cols(c), values(r * c) {}

  Tensor tensor() { return Tensor(values.data(), {rows, cols}); }
  Matrix block(Range r, Range c) const {
    Matrix out(r.size(), c.size());
    for (int64_t i = 0; i < out.rows; ++i) {
      for (int64_t j = 0; j < out.cols; ++j) out.values[i * out.cols + j] = values[(r.begin + i) * cols + c.begin + j];
    }
    return out;
  }
  Matrix row_block(Range r) const { return block(r, {0, cols}); }
  PackedMatrix packed() const {
    PackedMatrix packed(cols, 0, cols);
    packed.append(DType::f32, rows, values.data(), cols * 4);
    return packed;
  }
  bool same_bits(const Matrix& other) const {
    return rows == other.rows && cols == other.cols &&
           (values.empty() || std::memcmp(values.data(), other.values.data(), values.size() * 4) == 0);
  }
};

// Signs, zeros and 2^12 between the largest and the smallest: sums depend on their order. The same on every
// rank.
inline Matrix random_matrix(int64_t rows, int64_t cols, uint32_t seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> mantissa(-1, 1), exponent(-6, 6);
  Matrix matrix(rows, cols);
  for (float& value : matrix.values) value = random() % 16 ? mantissa(random) * std::exp2(exponent(random)) : -0.0f;
  return matrix;
}

}  // namespace weft
