#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/rms_norm/rms_norm_cpu.cpp"
#include "kernels/core/simd_targets.h"

#include "kernels/core/dispatch.h"
#include "kernels/core/simd.h"
#include "kernels/rms_norm/rms_norm.h"

HWY_BEFORE_NAMESPACE();
namespace weft::HWY_NAMESPACE {
namespace {

void norm_row(float* out, const float* x, const float* weight, int64_t n, float eps) {
  F32x16 squares = zero();
  for (int64_t i = 0; i < n; i += kLanes) {
    const F32x16 v = load_n(x + i, n - i);
    squares = fma(v, v, squares);
  }
  const F32x16 inverse = set(1.0f / std::sqrt(sum(squares) / static_cast<float>(n) + eps));
  for (int64_t i = 0; i < n; i += kLanes)
    store_n(load_n(x + i, n - i) * inverse * load_n(weight + i, n - i), out + i, n - i);
}

void add_row(float* residual, const float* x, int64_t n) {
  for (int64_t i = 0; i < n; i += kLanes)
    store_n(load_n(residual + i, n - i) + load_n(x + i, n - i), residual + i, n - i);
}

}  // namespace
}  // namespace weft::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace weft {

HWY_EXPORT(norm_row);
HWY_EXPORT(add_row);

namespace cpu {

void rms_norm(Tensor out, Tensor x, Tensor weight, float eps, Context& context) {
  const int64_t n = x.dim(-1), heads = x.rank == 3 ? x.dim(1) : 1;
  context.pool.parallel_for(x.dim(0), rows_per_task(heads * n), [&](int64_t begin, int64_t end, int) {
    for (int64_t t = begin; t < end; ++t)
      for (int64_t h = 0; h < heads; ++h)
        HWY_DYNAMIC_DISPATCH(norm_row)
        (out.as<float>() + t * out.stride[0] + h * out.stride[1], x.as<float>() + t * x.stride[0] + h * x.stride[1],
         weight.as<float>(), n, eps);
  });
}

void add_rms_norm(Tensor out, Tensor residual, Tensor x, Tensor weight, float eps, Context& context) {
  const int64_t n = x.dim(1);
  context.pool.parallel_for(x.dim(0), rows_per_task(n), [&](int64_t begin, int64_t end, int) {
    for (int64_t t = begin; t < end; ++t) {
      float* sum = residual.as<float>() + t * residual.stride[0];
      HWY_DYNAMIC_DISPATCH(add_row)(sum, x.as<float>() + t * x.stride[0], n);
      HWY_DYNAMIC_DISPATCH(norm_row)(out.as<float>() + t * out.stride[0], sum, weight.as<float>(), n, eps);
    }
  });
}

}  // namespace cpu
}  // namespace weft
#endif
