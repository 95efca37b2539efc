#include "runtime/weights/tensor_copy.h"

#include "kernels/core/check.h"
#include "kernels/quant/quant.h"

namespace weft {

int64_t row_length(const TensorInfo& info) { return info.shape.empty() ? 1 : info.shape.back(); }

int64_t row_count(const TensorInfo& info) {
  int64_t rows = 1;
  for (size_t i = 0; i + 1 < info.shape.size(); ++i) rows *= info.shape[i];
  return rows;
}

void copy_tensor(Checkpoint& source, const std::string& name, DType type, const std::function<int64_t(int64_t)>& source_row,
                 const ByteSink& sink) {
  const TensorInfo& info = source.info(name);
  if (info.dtype == DType::i32) bad_input(source.path(), ": tensor ", name, " is of integers; weights are of real numbers");
  // A vector is reordered by elements: treat it as a column.
  const bool column = info.shape.size() <= 1 && source_row;
  const int64_t rows = column ? row_length(info) : row_count(info), cols = column ? 1 : row_length(info);
  const int64_t stored = dtype_bytes(info.dtype, cols);
  const std::byte* data = source.rows(name, 0, row_count(info));
  std::vector<float> values(static_cast<size_t>(cols));
  std::vector<std::byte> packed(static_cast<size_t>(dtype_bytes(type, cols)));
  for (int64_t r = 0; r < rows; ++r) {
    const std::byte* row = data + (source_row ? source_row(r) : r) * stored;
    if (info.dtype == type) {
      sink(row, packed.size());
      continue;
    }
    quant::dequantize(info.dtype, row, values.data(), cols);
    quant::quantize(type, values.data(), packed.data(), cols);
    sink(packed.data(), packed.size());
  }
  source.release(name);
}

}  // namespace weft
