#pragma once
// Problems for linear: weights in stored form, x with nasty values, plans of every shape.
#include <ostream>
#include <random>
#include <vector>

#include "kernels/linear/linear.h"

namespace weft {
// What a failed test says of its parameter.
inline void PrintTo(DType dtype, std::ostream* out) { *out << name(dtype); }
}  // namespace weft

namespace weft::testing {

// A K plan that cuts [0, k) into `units` pieces of any length, added in one binary tree.
KPlan tree_plan(int64_t k, int units);
// The same pieces with every second subtree an output of its own.
KPlan forest_plan(int64_t k, int units);

// n rows of k_stored values of about `scale`, as `dtype`.
std::vector<std::byte> random_rows(DType dtype, int64_t n, int64_t k_stored, float scale, uint32_t seed);

PackedMatrix random_matrix(DType dtype, int64_t n, int64_t k, int64_t k_offset, uint32_t seed);

// Normal values, a few outliers of a thousand, exact zeros and one block of zeros.
std::vector<float> random_input(int64_t rows, int64_t k, uint32_t seed);

// y of (plan.outputs, rows, n()) by `op`, in `threads` threads.
std::vector<float> run(LinearOp& op, const std::vector<float>& x, const PackedMatrix& w, const KPlan& plan, Arithmetic a,
                       int threads = 1);

// Whether two results are the same bits, where any NaN equals any other.
bool same_bits(const std::vector<float>& a, const std::vector<float>& b);

}  // namespace weft::testing
