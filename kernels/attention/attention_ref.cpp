#include <cmath>
#include <vector>

#include "kernels/attention/attention.h"

namespace weft::ref {
namespace {

double value_at(const Tensor& cache, int64_t i) {
  if (cache.dtype == DType::f16) return f16_to_f32(cache.raw<uint16_t>()[i]);
  if (cache.dtype == DType::bf16) return bf16_to_f32(cache.raw<uint16_t>()[i]);
  return cache.as<float>()[i];
}

void set_value(const Tensor& cache, int64_t i, float value) {
  if (cache.dtype == DType::f16)
    cache.raw<uint16_t>()[i] = f32_to_f16(value);
  else if (cache.dtype == DType::bf16)
    cache.raw<uint16_t>()[i] = f32_to_bf16(value);
  else
    cache.as<float>()[i] = value;
}

// Index of component 0 of a position's k or v, and the distance between components.
struct Place {
  int64_t first, step;
};
Place k_place(const PagedKv& kv, int64_t slot, int64_t head) {
  const int64_t block = slot / kv.block_size(), offset = slot % kv.block_size();
  return {block * kv.k.stride[0] + head * kv.k.stride[1] + offset, kv.k.stride[2]};
}
Place v_place(const PagedKv& kv, int64_t slot, int64_t head) {
  const int64_t block = slot / kv.block_size(), offset = slot % kv.block_size();
  return {block * kv.v.stride[0] + head * kv.v.stride[1] + offset * kv.v.stride[2], 1};
}

// One query head at one position; slots[j] is where position j lies.
void attend(float* out, const float* q, const PagedKv& kv, int64_t kv_head, const std::vector<int64_t>& slots, int64_t begin,
            const AttentionParams& params) {
  const int64_t dim = kv.k.dim(2), end = static_cast<int64_t>(slots.size());
  std::vector<double> weight(slots.size()), sum(dim);
  double largest = -INFINITY, total = 0;
  for (int64_t j = begin; j < end; ++j) {
    const Place k = k_place(kv, slots[j], kv_head);
    double score = 0;
    for (int64_t d = 0; d < dim; ++d) score += q[d] * value_at(kv.k, k.first + d * k.step);
    score *= params.scale;
    if (params.soft_cap > 0) score = params.soft_cap * std::tanh(score / params.soft_cap);
    weight[j] = score;
    largest = std::max(largest, score);
  }
  for (int64_t j = begin; j < end; ++j) {
    weight[j] = std::exp(weight[j] - largest);
    total += weight[j];
    const Place v = v_place(kv, slots[j], kv_head);
    for (int64_t d = 0; d < dim; ++d) sum[d] += weight[j] * value_at(kv.v, v.first + d);
  }
  for (int64_t d = 0; d < dim; ++d) out[d] = static_cast<float>(sum[d] / total);
}

}  // namespace

void attention(Tensor out, Tensor q, const PagedKv& kv, std::span<const HeadGroup> groups, const AttentionBatch& batch,
               Tensor, const AttentionParams& params, Context&) {
  const int64_t dim = q.dim(2), block_size = kv.block_size();
  const int32_t* offset = batch.row_offsets.as<int32_t>();
  for (int64_t s = 0; s < batch.sequences(); ++s) {
    const int32_t* blocks =
        batch.block_table.as<int32_t>() + batch.table_rows.as<int32_t>()[s] * batch.block_table.stride[0];
    for (int64_t t = offset[s]; t < offset[s + 1]; ++t) {
      const int64_t position = batch.context_len.as<int32_t>()[s] - offset[s + 1] + t;
      const int64_t begin = params.window > 0 ? std::max<int64_t>(0, position + 1 - params.window) : 0;
      std::vector<int64_t> slots;
      for (int64_t j = 0; j <= position; ++j) slots.push_back(blocks[j / block_size] * block_size + j % block_size);
      for (const HeadGroup& group : groups)
        for (int64_t h = group.q_begin; h < group.q_end; ++h)
          attend(out.as<float>() + t * out.stride[0] + h * dim, q.as<float>() + t * q.stride[0] + h * dim, kv, group.kv_head,
                 slots, begin, params);
    }
  }
}

void kv_write(const PagedKv& kv, Tensor k, Tensor v, Tensor slots, Context&) {
  const int64_t heads = k.dim(1), dim = k.dim(2);
  for (int64_t t = 0; t < k.dim(0); ++t)
    for (int64_t h = 0; h < heads; ++h) {
      const int64_t slot = slots.as<int32_t>()[t];
      const Place to_k = k_place(kv, slot, h), to_v = v_place(kv, slot, h);
      for (int64_t d = 0; d < dim; ++d) {
        set_value(kv.k, to_k.first + d * to_k.step, k.as<float>()[t * k.stride[0] + h * dim + d]);
        set_value(kv.v, to_v.first + d, v.as<float>()[t * v.stride[0] + h * dim + d]);
      }
    }
}

}  // namespace weft::ref
