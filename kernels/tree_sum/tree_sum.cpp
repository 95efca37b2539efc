#include "kernels/tree_sum/tree_sum.h"

#include <numeric>

#include "kernels/core/dispatch.h"

namespace weft {

void tree_sum(Tensor out, Tensor parts, std::span<const int> parts_of_rank, std::span<const int> merges, Context& context) {
  WEFT_CHECK(out.rank == 2 && out.dtype == DType::f32 && out.contiguous(), "out is ", out.describe());
  WEFT_CHECK(parts.dtype == DType::f32 && parts.contiguous() && parts.elements() == std::ssize(merges) * out.elements(),
             "parts are ", parts.describe(), ", out ", out.describe(), " of ", merges.size(), " parts");
  WEFT_CHECK_EQ(std::accumulate(parts_of_rank.begin(), parts_of_rank.end(), size_t{0}), merges.size());
  int depth = 0;
  for (const int merge : merges) {
    WEFT_CHECK(depth < kTreeDepth && merge >= 0 && merge <= depth, merge, " merges of ", depth + 1);
    depth += 1 - merge;
  }
  WEFT_CHECK(depth == 1, depth, " sums remain");
  run<cpu::tree_sum>("tree_sum", out, 0, context, out, parts, parts_of_rank, merges);
}

}  // namespace weft
