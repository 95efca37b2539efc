#include "kernels/core/dispatch.h"
#include "kernels/embedding/embedding.h"

namespace weft::cpu {

// A look-up is bound by memory latency and the unpacking of a row, so the CPU only adds threads to the reference.
void embedding(Tensor out, Tensor ids, const PackedMatrix& table, int64_t first_row, Context& context) {
  context.pool.parallel_for(out.dim(0), rows_per_task(4 * table.k()), [&](int64_t begin, int64_t end, int) {
    ref::embedding(out.slice(begin, end), ids.slice(begin, end), table, first_row, context);
  });
}

}  // namespace weft::cpu
