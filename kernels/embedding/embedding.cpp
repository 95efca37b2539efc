#include "kernels/embedding/embedding.h"

#include "kernels/core/dispatch.h"

namespace weft {

void embedding(Tensor out, Tensor ids, const PackedMatrix& table, int64_t first_row, Context& context) {
  WEFT_CHECK(ids.rank == 1 && ids.dtype == DType::i32 && ids.contiguous(), "ids are ", ids.describe());
  WEFT_CHECK(out.rank == 2 && out.dtype == DType::f32 && out.stride[1] == 1 && out.dim(0) == ids.dim(0) &&
                 out.dim(1) == table.k(),
             "out is ", out.describe(), ", ids ", ids.describe(), ", table (", table.n(), ", ", table.k(), ")");
  run<cpu::embedding>("embedding", out, 0, context, out, ids, table, first_row);
}

}  // namespace weft
