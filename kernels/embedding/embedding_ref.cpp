#include <algorithm>

#include "kernels/embedding/embedding.h"

namespace weft::ref {

void embedding(Tensor out, Tensor ids, const PackedMatrix& table, int64_t first_row, Context&) {
  for (int64_t t = 0; t < out.dim(0); ++t) {
    float* row = out.as<float>() + t * out.stride[0];
    const int64_t n = ids.as<int32_t>()[t] - first_row;
    if (n < 0 || n >= table.n()) {
      std::fill_n(row, table.k(), 0.0f);
      continue;
    }
    table.unpack_row(n, row);
    for (int64_t i = 0; i < table.k(); ++i) row[i] = 0.0f + row[i];
  }
}

}  // namespace weft::ref
