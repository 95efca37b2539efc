#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/silu_mul/silu_mul_cpu.cpp"
#include "kernels/core/simd_targets.h"

#include "kernels/core/dispatch.h"
#include "kernels/core/simd.h"
#include "kernels/silu_mul/silu_mul.h"

HWY_BEFORE_NAMESPACE();
namespace weft::HWY_NAMESPACE {
namespace {

void silu_mul_row(float* out, const float* gate, const float* up, int64_t f) {
  for (int64_t i = 0; i < f; i += kLanes) {
    const F32x16 x = load_n(gate + i, f - i);
    const F32x16 silu = x / (set(1.0f) + exp(-x));
    store_n(silu * load_n(up + i, f - i), out + i, f - i);
  }
}

}  // namespace
}  // namespace weft::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace weft {

HWY_EXPORT(silu_mul_row);

void cpu::silu_mul(Tensor out, Tensor gate_up, Context& context) {
  const int64_t f = out.dim(1);
  context.pool.parallel_for(out.dim(0), rows_per_task(2 * f), [&](int64_t begin, int64_t end, int) {
    for (int64_t t = begin; t < end; ++t) {
      const float* gate = gate_up.as<float>() + t * 2 * f;
      HWY_DYNAMIC_DISPATCH(silu_mul_row)(out.as<float>() + t * f, gate, gate + f, f);
    }
  });
}

void cpu::grouped_silu_mul(Tensor out, Tensor gate_up, Tensor row_offsets, Context& context) {
  const int32_t begin = row_offsets.as<int32_t>()[0], end = row_offsets.as<int32_t>()[row_offsets.dim(0) - 1];
  cpu::silu_mul(out.slice(begin, end), gate_up.slice(begin, end), context);
}

}  // namespace weft
#endif
