#pragma once
// What the dispatchers of all ops share.
#include <algorithm>

#include "kernels/core/tensor.h"

namespace weft {

// Ops run where their output lies.
inline void require_cpu(const char* op, const Tensor& out) {
  if (out.device != Device::cpu) bad_input(op, ": output is on a CUDA device, but this build has only the CPU backend");
}

// Rows to hand a thread at a time: so many that waking it pays (about 10 us of work).
inline int64_t rows_per_task(int64_t elements_per_row) {
  return std::max<int64_t>(1, 16384 / std::max<int64_t>(1, elements_per_row));
}

}  // namespace weft
