#include "kernels/moe_permute/moe_permute.h"

#include "kernels/core/dispatch.h"

namespace weft {
namespace {

bool is_matrix(const Tensor& x) { return x.rank == 2 && x.dtype == DType::f32 && x.contiguous(); }
bool is_indices(const Tensor& x, int rank) { return x.rank == rank && x.dtype == DType::i32 && x.contiguous(); }

}  // namespace

void moe_sort(Tensor order, Tensor place, Tensor offsets, Tensor ids, Tensor instances, Context& context) {
  WEFT_CHECK(is_indices(ids, 2), "ids are ", ids.describe());
  WEFT_CHECK(is_indices(order, 1) && order.dim(0) == ids.elements(), "order is ", order.describe());
  WEFT_CHECK(is_indices(place, 2) && place.shape == ids.shape, "place is ", place.describe());
  WEFT_CHECK(is_indices(offsets, 1) && offsets.dim(0) >= 1, "offsets are ", offsets.describe());
  WEFT_CHECK(is_indices(instances, 2), "instances are ", instances.describe());
  run<cpu::moe_sort>("moe_sort", order, 0, context, order, place, offsets, ids, instances);
}

void moe_permute(Tensor out, Tensor x, Tensor order, int k, Context& context) {
  WEFT_CHECK(is_matrix(out) && is_matrix(x) && out.dim(1) == x.dim(1), "out is ", out.describe(), ", x ", x.describe());
  WEFT_CHECK(is_indices(order, 1) && order.dim(0) >= out.dim(0) && k >= 1, "order is ", order.describe());
  run<cpu::moe_permute>("moe_permute", out, 0, context, out, x, order, k);
}

void moe_unpermute(Tensor out, Tensor y, Tensor place, Tensor weights, Context& context) {
  WEFT_CHECK(is_matrix(out) && is_matrix(y) && out.dim(1) == y.dim(1), "out is ", out.describe(), ", y ", y.describe());
  WEFT_CHECK(is_indices(place, 2) && place.dim(0) == out.dim(0), "place is ", place.describe());
  WEFT_CHECK(is_matrix(weights) && weights.shape == place.shape, "weights are ", weights.describe());
  run<cpu::moe_unpermute>("moe_unpermute", out, 0, context, out, y, place, weights);
}

}  // namespace weft
