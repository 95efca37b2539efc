#pragma once
// Sorting (token, slot) pairs by expert and undoing it. Data movement: bitwise exact. Pair p = token * k + slot.
#include "kernels/core/context.h"
#include "kernels/core/tensor.h"

namespace weft {

// Stable counting sort of the pairs by who computes them. ids (tokens, k) i32; instances (experts, most) i32: the places that compute
// an expert, each in [0, n), then -1 (of several, token t takes number t mod how many there are). order (tokens * k) i32 gives the
// pair at each sorted place, place (tokens, k) i32 the sorted place of each pair, offsets (n + 1) i32 where each instance's pairs
// begin. A pair whose id is outside [0, experts) is of a row that is padding: its place is -1, and order's tail is left alone.
using MoeSortOp = void(Tensor order, Tensor place, Tensor offsets, Tensor ids, Tensor instances, Context& context);
MoeSortOp moe_sort;

// out[i, :] = x[order[i] / k, :]; where order[i] is -1, out is left alone.
// x: (tokens, hidden)   out: (rows, hidden), order's first rows entries. f32.
using MoePermuteOp = void(Tensor out, Tensor x, Tensor order, int k, Context& context);
MoePermuteOp moe_permute;

// out[t, :] = sum over slots s in ascending order of weights[t, s] * y[place[t, s], :]; acc = fma(w, y, acc) from 0. A place of -1
// adds nothing.   y: (rows, hidden)   place: (tokens, k) i32, the row of y that holds the pair   out: (tokens, hidden). f32.
using MoeUnpermuteOp = void(Tensor out, Tensor y, Tensor place, Tensor weights, Context& context);
MoeUnpermuteOp moe_unpermute;

namespace ref { MoeSortOp moe_sort; MoePermuteOp moe_permute; MoeUnpermuteOp moe_unpermute; }
namespace cpu { MoeSortOp moe_sort; MoePermuteOp moe_permute; MoeUnpermuteOp moe_unpermute; }

}  // namespace weft
