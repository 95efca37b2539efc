#include <algorithm>

#include "kernels/core/check.h"
#include "kernels/core/progress.h"
#include "kernels/quant/quant.h"
#include "runtime/weights/census.h"

namespace weft {
namespace {

// Covering columns: quantisation blocks are never cut. Activations are quantised in blocks of 32 stored columns whatever the
// weights are, so plain types begin on that grid too: the blocks must not depend on where a rank's columns begin.
Range cover(Range columns, DType dtype) {
  const int64_t block = dtype_info(dtype).block_elements, grid = std::max<int64_t>(block, 32);
  return {columns.begin / grid * grid, (columns.end + block - 1) / block * block};
}

// This rank's rows and columns of one part's tensor become the next segment of `matrix`.
void append(PackedMatrix& matrix, const NamedTensors::Entry& entry, int64_t first_row, Range rows, Range columns,
            Checkpoint& checkpoint, ThreadPool& pool) {
  const Range stored = cover(columns, entry.dtype);
  if (matrix.segments().empty()) matrix = PackedMatrix(columns.size(), columns.begin - stored.begin, stored.size());
  const int segment = matrix.add_segment(entry.dtype, rows.size());
  if (rows.size() == 0 || columns.size() == 0) return;
  const int64_t first = entry.first_row + first_row + rows.begin;
  const std::byte* data = checkpoint.rows(entry.stored, first, first + rows.size()) + dtype_bytes(entry.dtype, stored.begin);
  const int64_t row_bytes = dtype_bytes(entry.dtype, entry.columns), panel = PackedMatrix::kPanel;
  pool.parallel_for((rows.size() + panel - 1) / panel, 8, [&](int64_t begin, int64_t end, int) {
    const int64_t row = begin * panel, count = std::min(end * panel, rows.size()) - row;
    matrix.fill(segment, row, count, data + row * row_bytes, row_bytes);
  });
}

std::vector<float> read_values(const NamedTensors& tensors, const std::string& name, Range own) {
  const NamedTensors::Entry& entry = *tensors.find(name);
  std::vector<float> values(static_cast<size_t>(entry.columns));
  quant::dequantize(entry.dtype, tensors.checkpoint().rows(entry.stored, 0, 1), values.data(), entry.columns);
  return {values.begin() + own.begin, values.begin() + own.end};
}

}  // namespace

int64_t Census::bytes(const Weight& weight, const Part& part, int rank, DType dtype) {
  const int64_t rows = part.rows.held(rank).size();
  return rows * (weight.is_vector ? 4 : dtype_bytes(dtype, cover(weight.columns.held(rank), dtype).size()));
}

void Loader::read_matrix(const Weight& weight, std::vector<PackedMatrix>& stack, ThreadPool& pool) const {
  const std::vector<int>& held = weight.copies.held(mesh_.rank);
  for (size_t i = 0; i < held.size(); ++i) {
    std::vector<float> biases;
    for (const Part& part : weight.parts) {
      const NamedTensors::Entry& entry = *tensors_->find(name_of_copy(part.weight, held[i]));
      const int64_t one_behind_the_other = part.weight.find("{e}") == part.weight.npos ? held[i] : 0;
      const int64_t copy_rows = entry.rows / weight.copies.count();
      append(stack[i], entry, one_behind_the_other * copy_rows + part.first_row, part.rows.own(), weight.columns.own(),
             tensors_->checkpoint(), pool);
      if (part.bias.empty()) continue;
      const std::vector<float> own = read_values(*tensors_, part.bias, part.rows.own());
      biases.insert(biases.end(), own.begin(), own.end());
    }
    if (!biases.empty()) stack[i].set_bias(std::move(biases));
  }
}

void Loader::read(Weights& weights, ThreadPool& pool) const {
  Checkpoint& checkpoint = tensors_->checkpoint();
  Progress progress(cat("loading ", checkpoint.path()), "bytes", weight_bytes(mesh_.rank), mesh_.rank == 0);
  for (const Weight& weight : declared_) {
    if (weight.is_vector) {
      weights.vectors[weight.index].values = read_values(*tensors_, weight.parts[0].weight, weight.parts[0].rows.own());
    } else {
      read_matrix(weight, weights.matrices[weight.index], pool);
    }
    for (const Part& part : weight.parts)
      for (const int e : weight.copies.held(mesh_.rank)) {
        const std::string name = name_of_copy(part.weight, e);
        progress.advance(bytes(weight, part, mesh_.rank, dtype(name, DType::f32)));
        checkpoint.release(tensors_->find(name)->stored);
      }
  }
}

}  // namespace weft
