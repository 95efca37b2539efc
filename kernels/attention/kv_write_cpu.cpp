#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention/kv_write_cpu.cpp"
#include "kernels/core/simd_targets.h"

#include <algorithm>

#include "kernels/attention/attention.h"
#include "kernels/core/dispatch.h"
#include "kernels/core/simd.h"

HWY_BEFORE_NAMESPACE();
namespace weft::HWY_NAMESPACE {
namespace {

// k and v of one token and one head; k goes to a column of (head_dim, block_size), v to a row of (block_size,
// head_dim).
template <class T>
void write_head(T* to_k, T* to_v, const float* k, const float* v, int64_t head_dim, int64_t block_size) {
  for (int64_t d = 0; d < head_dim; d += kLanes) {
    const int64_t n = std::min<int64_t>(kLanes, head_dim - d);
    store_n(load_n(v + d, n), to_v + d, n);
    HWY_ALIGN T rounded[kLanes];
    store(load_n(k + d, n), rounded);
    for (int64_t i = 0; i < n; ++i) to_k[(d + i) * block_size] = rounded[i];
  }
}

template <class T>
void write_rows(const PagedKv& kv, Tensor k, Tensor v, const int32_t* slots, int64_t begin, int64_t end) {
  const int64_t heads = k.dim(1), head_dim = k.dim(2), block_size = kv.block_size();
  for (int64_t t = begin; t < end; ++t) {
    const int64_t block = slots[t] / block_size, offset = slots[t] % block_size;
    for (int64_t h = 0; h < heads; ++h)
      write_head(kv.k.raw<T>() + block * kv.k.stride[0] + h * kv.k.stride[1] + offset,
                 kv.v.raw<T>() + block * kv.v.stride[0] + h * kv.v.stride[1] + offset * head_dim,
                 k.as<float>() + t * k.stride[0] + h * head_dim, v.as<float>() + t * v.stride[0] + h * head_dim, head_dim,
                 block_size);
  }
}

void kv_write_rows(const PagedKv& kv, Tensor k, Tensor v, const int32_t* slots, int64_t begin, int64_t end) {
  switch (kv.k.dtype) {
    case DType::f16: return write_rows<f16>(kv, k, v, slots, begin, end);
    case DType::bf16: return write_rows<bf16>(kv, k, v, slots, begin, end);
    default: return write_rows<float>(kv, k, v, slots, begin, end);
  }
}

}  // namespace
}  // namespace weft::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace weft {

HWY_EXPORT(kv_write_rows);

void cpu::kv_write(const PagedKv& kv, Tensor k, Tensor v, Tensor slots, Context& context) {
  context.pool.parallel_for(k.dim(0), rows_per_task(2 * k.dim(1) * k.dim(2)), [&](int64_t begin, int64_t end, int) {
    HWY_DYNAMIC_DISPATCH(kv_write_rows)(kv, k, v, slots.as<int32_t>(), begin, end);
  });
}

}  // namespace weft
#endif
