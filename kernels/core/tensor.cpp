#include "kernels/core/tensor.h"

namespace weft {

Tensor::Tensor(void* memory, DType type, std::initializer_list<int64_t> dims, Device where)
    : data(static_cast<std::byte*>(memory)), dtype(type), device(where), rank(static_cast<int>(dims.size())) {
  WEFT_CHECK(rank <= 4, "at most 4 dimensions");
  int i = 0;
  for (int64_t d : dims) shape[i++] = d;
  int64_t step = 1;
  for (i = rank - 1; i >= 0; --i) {
    stride[i] = step;
    step *= i == rank - 1 ? shape[i] / dtype_info(type).block_elements : shape[i];
  }
}

int64_t Tensor::elements() const {
  int64_t n = 1;
  for (int i = 0; i < rank; ++i) n *= shape[i];
  return n;
}

bool Tensor::contiguous() const {
  int64_t step = 1;
  for (int i = rank - 1; i >= 0; --i) {
    if (shape[i] != 1 && stride[i] != step) return false;
    step *= i == rank - 1 ? shape[i] / dtype_info(dtype).block_elements : shape[i];
  }
  return true;
}

std::string Tensor::describe() const {
  std::string text = cat(name(dtype), " (");
  for (int i = 0; i < rank; ++i) text += cat(i ? ", " : "", shape[i]);
  return text + ")";
}

Tensor Tensor::narrow(int dimension, int64_t begin, int64_t end) const {
  WEFT_CHECK(dimension >= 0 && dimension < rank && 0 <= begin && begin <= end && end <= shape[dimension], "[", begin, ", ", end,
             ") of dimension ", dimension, " of ", describe());
  Tensor part = *this;
  part.data += begin * stride[dimension] * dtype_info(dtype).block_bytes;
  part.shape[dimension] = end - begin;
  return part;
}

Tensor Tensor::view(std::initializer_list<int64_t> dims) const {
  WEFT_CHECK(contiguous(), "view of a strided tensor ", describe());
  Tensor other(data, dtype, dims, device);
  WEFT_CHECK_EQ(other.elements(), elements());
  return other;
}

}  // namespace weft
