#pragma once
// The memory that a model's modules point into. Addresses stay while modules are built.
#include <deque>
#include <vector>

#include "kernels/core/tensor.h"
#include "kernels/matrix/packed_matrix.h"
#include "parallel/expert_dispatch.h"

namespace weft {

// A norm's weight or a bias, f32.
struct Vector {
  std::vector<float> values;
  Tensor view() const { return Tensor(const_cast<float*>(values.data()), {static_cast<int64_t>(values.size())}); }
};

struct Weights {
  std::deque<std::vector<PackedMatrix>> matrices;  // a matrix is a stack of one
  std::deque<Vector> vectors;
  std::deque<RouterStats> routers;  // a layer of experts each, as they lie in the model

  int64_t bytes() const;  // resident, of matrices
};

}  // namespace weft
