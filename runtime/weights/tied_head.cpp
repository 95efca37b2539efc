#include "runtime/weights/tied_head.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "kernels/quant/quant.h"
#include "runtime/weights/tensor_copy.h"

namespace weft {

bool head_is_embedding(const Checkpoint& checkpoint) {
  const char* const names[] = {"model.embed_tokens.weight", "lm_head.weight"};
  if (!checkpoint.has(names[0]) || !checkpoint.has(names[1])) return true;
  const TensorInfo &embedding = checkpoint.info(names[0]), &head = checkpoint.info(names[1]);
  if (embedding.shape != head.shape) return false;
  constexpr int64_t kChunk = 256;  // rows
  const int64_t rows = row_count(head), cols = row_length(head);
  std::vector<float> a(static_cast<size_t>(kChunk * cols)), b(a.size());
  std::vector<std::byte> x(static_cast<size_t>(dtype_bytes(embedding.dtype, kChunk * cols)));
  std::vector<std::byte> y(static_cast<size_t>(dtype_bytes(head.dtype, kChunk * cols)));
  bool equal = true;
  for (int64_t first = 0; first < rows && equal; first += kChunk) {
    const int64_t last = std::min(rows, first + kChunk), n = (last - first) * cols;
    checkpoint.read(names[0], {first, last}, {0, cols}, x.data());
    checkpoint.read(names[1], {first, last}, {0, cols}, y.data());
    if (embedding.dtype == head.dtype) {
      equal = std::memcmp(x.data(), y.data(), static_cast<size_t>(dtype_bytes(head.dtype, n))) == 0;
      continue;
    }
    quant::dequantize(embedding.dtype, x.data(), a.data(), n);
    quant::dequantize(head.dtype, y.data(), b.data(), n);
    equal = std::equal(a.begin(), a.begin() + n, b.begin());
  }
  return equal;
}

}  // namespace weft
