#include "kernels/attention/attention.h"
#include "kernels/core/dispatch.h"

namespace weft::cpu {
namespace {

template <class T, class Round>
void write_row(const PagedKv& kv, const float* k, const float* v, int64_t slot, Round round) {
  const int64_t heads = kv.k.dim(1), dim = kv.k.dim(2), block_size = kv.block_size();
  const int64_t block = slot / block_size, offset = slot % block_size;
  for (int64_t h = 0; h < heads; ++h) {
    T* to_k = kv.k.raw<T>() + block * kv.k.stride[0] + h * kv.k.stride[1] + offset;
    T* to_v = kv.v.raw<T>() + block * kv.v.stride[0] + h * kv.v.stride[1] + offset * dim;
    for (int64_t d = 0; d < dim; ++d) to_k[d * block_size] = round(k[h * dim + d]);
    for (int64_t d = 0; d < dim; ++d) to_v[d] = round(v[h * dim + d]);
  }
}

}  // namespace

void kv_write(const PagedKv& kv, Tensor k, Tensor v, Tensor slots, Context& context) {
  context.pool.parallel_for(k.dim(0), rows_per_task(2 * k.dim(1) * k.dim(2)), [&](int64_t begin, int64_t end, int) {
    for (int64_t t = begin; t < end; ++t) {
      const float* k_row = k.as<float>() + t * k.stride[0];
      const float* v_row = v.as<float>() + t * v.stride[0];
      const int64_t slot = slots.as<int32_t>()[t];
      switch (kv.k.dtype) {
        case DType::f16: write_row<uint16_t>(kv, k_row, v_row, slot, f32_to_f16); break;
        case DType::bf16: write_row<uint16_t>(kv, k_row, v_row, slot, f32_to_bf16); break;
        default: write_row<float>(kv, k_row, v_row, slot, [](float x) { return x; });
      }
    }
  });
}

}  // namespace weft::cpu
