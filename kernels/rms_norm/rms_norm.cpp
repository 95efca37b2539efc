#include "kernels/rms_norm/rms_norm.h"

#include "kernels/core/dispatch.h"

namespace weft {
namespace {

void check(Tensor out, Tensor x, Tensor weight) {
  WEFT_CHECK((x.rank == 2 || x.rank == 3) && x.dtype == DType::f32 && x.stride[x.rank - 1] == 1, "x is ", x.describe());
  WEFT_CHECK(out.rank == x.rank && out.shape == x.shape && out.dtype == DType::f32 && out.stride[x.rank - 1] == 1, "out is ",
             out.describe());
  WEFT_CHECK(weight.rank == 1 && weight.dtype == DType::f32 && weight.contiguous() && weight.dim(0) == x.dim(-1),
             "weight is ", weight.describe());
}

}  // namespace

void rms_norm(Tensor out, Tensor x, Tensor weight, float eps, Context& context) {
  check(out, x, weight);
  run<cpu::rms_norm>("rms_norm", out, 0, context, out, x, weight, eps);
}

void add_rms_norm(Tensor out, Tensor residual, Tensor x, Tensor weight, float eps, Context& context) {
  check(out, x, weight);
  check(out, residual, weight);
  WEFT_CHECK(x.rank == 2, "x is ", x.describe());
  WEFT_CHECK(out.data != residual.data || out.dim(0) == 0, "out aliases residual");
  run<cpu::add_rms_norm>("add_rms_norm", out, 0, context, out, residual, x, weight, eps);
}

}  // namespace weft
