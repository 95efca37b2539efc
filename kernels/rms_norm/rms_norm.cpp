#include "kernels/rms_norm/rms_norm.h"

#include "kernels/core/dispatch.h"

namespace weft {
namespace {

void check(Tensor out, Tensor x, Tensor weight) {
  WEFT_CHECK(x.rank == 2 && x.dtype == DType::f32 && x.stride[1] == 1, "x is ", x.describe());
  WEFT_CHECK(out.shape == x.shape && out.dtype == DType::f32 && out.stride[1] == 1, "out is ", out.describe());
  WEFT_CHECK(weight.rank == 1 && weight.dtype == DType::f32 && weight.contiguous() && weight.dim(0) == x.dim(1),
             "weight is ", weight.describe());
}

}  // namespace

void rms_norm(Tensor out, Tensor x, Tensor weight, float eps, Context& context) {
  check(out, x, weight);
  require_cpu("rms_norm", out);
  if (context.dry()) return;
  cpu::rms_norm(out, x, weight, eps, context);
}

void add_rms_norm(Tensor out, Tensor residual, Tensor x, Tensor weight, float eps, Context& context) {
  check(out, x, weight);
  check(out, residual, weight);
  WEFT_CHECK(out.data != residual.data || out.dim(0) == 0, "out aliases residual");
  require_cpu("add_rms_norm", out);
  if (context.dry()) return;
  cpu::add_rms_norm(out, residual, x, weight, eps, context);
}

}  // namespace weft
