#include "runtime/weights/tensor_copy.h"

#include <algorithm>
#include <cmath>

#include "kernels/core/check.h"
#include "kernels/quant/quant.h"

namespace weft {

int64_t row_length(const TensorInfo& info) { return info.shape.empty() ? 1 : info.shape.back(); }

int64_t row_count(const TensorInfo& info) {
  int64_t rows = 1;
  for (size_t i = 0; i + 1 < info.shape.size(); ++i) rows *= info.shape[i];
  return rows;
}

namespace {

// "[3, 17]": where element `column` of row `row` lies.
std::string index_text(const TensorInfo& info, int64_t row, int64_t column) {
  std::string text = "[";
  int64_t rows = row_count(info);
  for (size_t i = 0; i + 1 < info.shape.size(); ++i) {
    rows /= info.shape[i];
    text += std::to_string(row / rows) + ", ";
    row %= rows;
  }
  return text + std::to_string(column) + "]";
}

class FiniteCheck {
 public:
  FiniteCheck(const Checkpoint& source, const std::string& name, DType type)
      : where_(cat(source.path(), ": tensor ", name)), info_(source.info(name)), type_(type) {}

  void source(std::span<const float> values, int64_t row, int64_t column) {
    largest_ = 0;
    for (size_t c = 0; c < values.size(); ++c) {
      const float size = std::abs(values[c]);
      if (!std::isfinite(size))
        bad_input(where_, " holds ", values[c], " at ", index_text(info_, row, column + static_cast<int64_t>(c)), kRemedy);
      largest_ = std::max(largest_, size);
    }
  }
  // The row as stored, of the values just seen. No type has trouble below what f16 holds.
  void stored(std::span<const float> values, const std::byte* packed, int64_t row, int64_t column) {
    constexpr float kSafe = 60000;
    if (largest_ <= kSafe) return;
    back_.resize(values.size());
    quant::dequantize(type_, packed, back_.data(), static_cast<int64_t>(values.size()));
    for (size_t c = 0; c < values.size(); ++c)
      if (!std::isfinite(back_[c]))
        bad_input(where_, " holds ", values[c], " at ", index_text(info_, row, column + static_cast<int64_t>(c)),
                  ", beyond the range of ", name(type_), kRemedy);
  }

 private:
  static constexpr const char* kRemedy = "; --allow-nonfinite converts it all the same";
  std::string where_;
  const TensorInfo& info_;
  DType type_;
  float largest_ = 0;
  std::vector<float> back_;
};

}  // namespace

void copy_tensor(const Checkpoint& source, const std::string& name, DType type, const std::function<int64_t(int64_t)>& source_row,
                 Values allowed, const ByteSink& sink) {
  const TensorInfo& info = source.info(name);
  // A vector is reordered by elements: treat it as a column.
  const bool column = info.shape.size() <= 1 && source_row;
  const int64_t rows = column ? row_length(info) : row_count(info), cols = column ? 1 : row_length(info);
  std::vector<std::byte> stored(static_cast<size_t>(dtype_bytes(info.dtype, cols)));
  std::vector<float> values(static_cast<size_t>(cols));
  std::vector<std::byte> packed(static_cast<size_t>(dtype_bytes(type, cols)));
  FiniteCheck check(source, name, type);
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t from = source_row ? source_row(r) : r;
    const int64_t at_row = column ? 0 : from, at_column = column ? from : 0;
    source.read(name, {at_row, at_row + 1}, {at_column, at_column + cols}, stored.data());
    const bool copied = info.dtype == type;
    if (!copied || allowed == Values::finite) quant::dequantize(info.dtype, stored.data(), values.data(), cols);
    if (allowed == Values::finite) check.source(values, at_row, at_column);
    if (copied) {
      sink(stored.data(), stored.size());
      continue;
    }
    quant::quantize(type, values.data(), packed.data(), cols);
    if (allowed == Values::finite) check.stored(values, packed.data(), at_row, at_column);
    sink(packed.data(), packed.size());
  }
}

}  // namespace weft
