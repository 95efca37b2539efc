#pragma once
// Sorting (token, slot) pairs by expert and undoing it. Data movement: bitwise exact. Pair p = token * k + slot.
#include "kernels/core/context.h"
#include "kernels/core/tensor.h"

namespace weft {

// Stable counting sort of the pairs by ids[p] (tokens, k) in [0, n): order (tokens * k) i32 gives the pair at each sorted
// place; offsets (n + 1) i32 where each expert's pairs begin. Ids outside [0, n) are skipped (they belong to other ranks)
// and order's tail is left alone.
using MoeSortOp = void(Tensor order, Tensor offsets, Tensor ids, Context& context);
MoeSortOp moe_sort;

// out[i, :] = x[order[i] / k, :]   x: (tokens, hidden)   out: (rows, hidden), order's first rows entries. f32.
using MoePermuteOp = void(Tensor out, Tensor x, Tensor order, int k, Context& context);
MoePermuteOp moe_permute;

// out[t, :] = sum over slots s in ascending order of weights[t, s] * y[place[t, s], :]; acc = fma(w, y, acc) from 0.
// y: (rows, hidden)   place: (tokens, k) i32, the row of y that holds the pair   out: (tokens, hidden). f32.
using MoeUnpermuteOp = void(Tensor out, Tensor y, Tensor place, Tensor weights, Context& context);
MoeUnpermuteOp moe_unpermute;

namespace ref { MoeSortOp moe_sort; MoePermuteOp moe_permute; MoeUnpermuteOp moe_unpermute; }
namespace cpu { MoeSortOp moe_sort; MoePermuteOp moe_permute; MoeUnpermuteOp moe_unpermute; }

}  // namespace weft
