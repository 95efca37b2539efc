#pragma once
// What finishes a canonical reduction (docs/arithmetic.md): the partial sums of all ranks, added in one binary tree.
//   out[t, :] = the tree over the parts of row t, f32     out: (rows, n) f32, contiguous
// parts: rank by rank (rows, parts_of_rank[r], n) f32, one behind the other; part i of a row is the i-th over all ranks.
// merges: one a part: push it, then so many times the top two a below b become a + b; one entry remains.
// out may not alias parts.
#include <span>

#include "kernels/core/context.h"
#include "kernels/core/tensor.h"

namespace weft {

constexpr int kTreeDepth = 16;  // of the stack, at most

using TreeSumOp = void(Tensor out, Tensor parts, std::span<const int> parts_of_rank, std::span<const int> merges,
                       Context& context);
TreeSumOp tree_sum;
namespace ref {
TreeSumOp tree_sum;
}
namespace cpu {
TreeSumOp tree_sum;
}

}  // namespace weft
