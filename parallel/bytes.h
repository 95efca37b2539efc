#pragma once
// A contiguous tensor as what a communicator carries.
#include <span>

#include "kernels/core/tensor.h"

namespace weft {

inline std::span<std::byte> bytes(Tensor tensor) {
  WEFT_CHECK(tensor.contiguous(), tensor.describe());
  return {tensor.data, static_cast<size_t>(tensor.bytes())};
}

}  // namespace weft
