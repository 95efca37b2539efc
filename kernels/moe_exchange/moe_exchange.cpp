#include "kernels/moe_exchange/moe_exchange.h"

#include "kernels/core/dispatch.h"

namespace weft {
namespace {

bool is_indices(const Tensor& x, int rank) { return x.rank == rank && x.dtype == DType::i32 && x.contiguous(); }

}  // namespace

void moe_pack(Tensor sent, Tensor counts, Tensor place, Tensor order, Tensor offsets, Tensor first_of_rank, int64_t round,
              Context& context) {
  WEFT_CHECK(is_indices(sent, 2) && is_indices(counts, 1) && counts.dim(0) == sent.dim(0), "sent is ", sent.describe(),
             ", counts ", counts.describe());
  WEFT_CHECK(is_indices(order, 1) && is_indices(place, 1) && place.dim(0) == order.dim(0), "order is ", order.describe(),
             ", place ", place.describe());
  WEFT_CHECK(is_indices(offsets, 1) && is_indices(first_of_rank, 1) && first_of_rank.dim(0) == sent.dim(0) + 1 && round >= 0,
             "offsets are ", offsets.describe(), ", ranks' first instances ", first_of_rank.describe());
  run<cpu::moe_pack>("moe_pack", sent, 0, context, sent, counts, place, order, offsets, first_of_rank, round);
}

void moe_regroup(Tensor grouped, Tensor ungrouped, Tensor counts, Tensor row_offsets, Tensor offsets, int64_t first,
                 int64_t round, Context& context) {
  WEFT_CHECK(is_indices(grouped, 2) && is_indices(ungrouped, 2) && grouped.shape == ungrouped.shape, "grouped is ",
             grouped.describe(), ", ungrouped ", ungrouped.describe());
  WEFT_CHECK(
      is_indices(offsets, 2) && offsets.dim(0) == grouped.dim(0) && is_indices(counts, 1) && counts.dim(0) == grouped.dim(0),
      "offsets are ", offsets.describe(), ", counts ", counts.describe());
  WEFT_CHECK(is_indices(row_offsets, 1) && row_offsets.dim(0) >= 1 && first >= 0 &&
                 first + row_offsets.dim(0) <= offsets.dim(1) && round >= 0,
             "row offsets are ", row_offsets.describe(), " from instance ", first);
  run<cpu::moe_regroup>("moe_regroup", grouped, 0, context, grouped, ungrouped, counts, row_offsets, offsets, first, round);
}

void moe_count(Tensor totals, Tensor offsets, Tensor instances, Context& context) {
  WEFT_CHECK(is_indices(totals, 1) && is_indices(instances, 2) && instances.dim(0) == totals.dim(0), "totals are ",
             totals.describe(), ", instances ", instances.describe());
  WEFT_CHECK(is_indices(offsets, 2), "offsets are ", offsets.describe());
  run<cpu::moe_count>("moe_count", totals, 0, context, totals, offsets, instances);
}

}  // namespace weft
