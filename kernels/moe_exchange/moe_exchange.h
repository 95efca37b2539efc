#pragma once
// Which rows travel in one round of an exchange between the ranks that hold experts. Indices only, all i32 and contiguous; -1 is a
// place that nothing takes. An instance is one rank's replica of an expert; they are numbered rank by rank, so that the sorted pairs
// (moe_sort) for one rank are a run, of which round r carries [r * capacity, (r + 1) * capacity).
#include "kernels/core/context.h"
#include "kernels/core/tensor.h"

namespace weft {

// The sender's side. order (pairs), offsets (instances + 1): of moe_sort   first_of_rank (ranks + 1): each rank's instances
//   sent (ranks, capacity): the pair at each place   counts (ranks): places in use   place (pairs): where in `sent`, flat, each sorted
//   pair is
using MoePackOp = void(Tensor sent, Tensor counts, Tensor place, Tensor order, Tensor offsets, Tensor first_of_rank,
                       int64_t round, Context& context);
MoePackOp moe_pack;

// The receiver's side. offsets (senders, instances + 1): every sender's; this rank's instances begin at `first`.
//   grouped (senders, capacity): in the order (instance, sender), the place sender * capacity + i at which each row arrived
//   ungrouped (senders, capacity): the inverse   counts (senders): rows that came
//   row_offsets (own instances + 1): where the rows of each begin in that order
using MoeRegroupOp = void(Tensor grouped, Tensor ungrouped, Tensor counts, Tensor row_offsets, Tensor offsets, int64_t first,
                          int64_t round, Context& context);
MoeRegroupOp moe_regroup;

// totals (experts) += the pairs of all senders.   offsets (senders, instances + 1)   instances (experts, most): those of each expert,
// then -1
using MoeCountOp = void(Tensor totals, Tensor offsets, Tensor instances, Context& context);
MoeCountOp moe_count;

namespace ref {
MoePackOp moe_pack;
MoeRegroupOp moe_regroup;
MoeCountOp moe_count;
}  // namespace ref
namespace cpu {
MoePackOp moe_pack;
MoeRegroupOp moe_regroup;
MoeCountOp moe_count;
}  // namespace cpu

}  // namespace weft
