#pragma once
// A paged cache with random contents for attention's tests and benchmarks. Blocks lie in scrambled order and every slot
// that no position occupies holds NaN, so a kernel that lets one touch its result is caught.
#include <algorithm>
#include <limits>
#include <numeric>

#include "kernels/attention/attention.h"
#include "kernels/cases/op_case.h"

namespace weft::test {

struct AttentionShape {
  DType dtype = DType::f32;
  int64_t block_size = 16, head_dim = 64;
  std::vector<HeadGroup> groups = {{0, 0, 3}, {1, 3, 6}, {2, 6, 9}};  // SmolLM2's
  std::vector<std::pair<int32_t, int32_t>> sequences;                 // query rows, context length
  int window = 0;
  float soft_cap = 0;

  int64_t kv_heads() const { return groups.back().kv_head + 1; }
  int64_t q_heads() const { return groups.back().q_end; }
};

struct AttentionSetup {
  AttentionShape shape;
  PagedKv kv;
  Tensor block_table, q, out;
  std::vector<int32_t> row_offsets = {0}, context_len;
  AttentionParams params;

  AttentionSetup(const AttentionShape& shape, Inputs& in) : shape(shape) {
    params = {
        .scale = 1 / std::sqrt(static_cast<float>(shape.head_dim)), .window = shape.window, .soft_cap = shape.soft_cap};
    int32_t longest = 1;
    for (auto [rows, context] : shape.sequences) {
      row_offsets.push_back(row_offsets.back() + rows);
      context_len.push_back(context);
      longest = std::max(longest, context);
    }
    const int64_t tokens = row_offsets.back(), sequences = std::ssize(shape.sequences);
    const int64_t blocks_each = (longest + shape.block_size - 1) / shape.block_size, blocks = blocks_each * sequences + 1;
    kv.k = in.empty(shape.dtype, {blocks, shape.kv_heads(), shape.head_dim, shape.block_size});
    kv.v = in.empty(shape.dtype, {blocks, shape.kv_heads(), shape.block_size, shape.head_dim});
    poison(kv.k);
    poison(kv.v);
    std::vector<int32_t> order(blocks);
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), in.random());
    block_table = in.empty(DType::i32, {sequences, blocks_each});
    std::copy_n(order.begin(), sequences * blocks_each, block_table.as<int32_t>());
    for (int64_t s = 0; s < sequences; ++s) fill(s, in);
    q = in.normal({tokens, shape.q_heads(), shape.head_dim}, 0.5f);
    out = in.empty(DType::f32, {tokens, shape.q_heads(), shape.head_dim});
  }

  AttentionBatch batch() const { return batch_of(row_offsets, context_len, block_table); }
  static AttentionBatch batch_of(const std::vector<int32_t>& rows, const std::vector<int32_t>& context, Tensor table) {
    const auto view = [](const std::vector<int32_t>& v) { return Tensor(const_cast<int32_t*>(v.data()), {std::ssize(v)}); };
    static const std::vector<int32_t> in_order = [] {
      std::vector<int32_t> order(64);
      std::iota(order.begin(), order.end(), 0);
      return order;
    }();
    return {view(rows), view(context), view(in_order).slice(0, std::ssize(context)), table};
  }
  // Schedule and attention, as a model's step and its layers call them.
  static void run(const Tensor& out, const Tensor& q, const PagedKv& kv, std::span<const HeadGroup> groups,
                  const AttentionBatch& batch, const AttentionParams& params, Context& context) {
    const Arena::Scope scope(context.workspace);
    const Tensor schedule =
        context.workspace.tensor(DType::i32, {attention_schedule_rows(q.dim(0), q.dim(1)), kAttentionScheduleColumns});
    attention_schedule(schedule, groups, batch, context);
    attention(out, q, kv, groups, batch, schedule, params, context);
  }
  static int64_t workspace(int64_t tokens, int64_t heads, int64_t head_dim, int threads) {
    return Arena::padded(attention_schedule_rows(tokens, heads) * kAttentionScheduleColumns * 4) +
           attention_workspace(head_dim, threads);
  }

 private:
  static void poison(const Tensor& cache) {
    if (cache.dtype == DType::f32)
      std::fill_n(cache.as<float>(), cache.elements(), std::numeric_limits<float>::quiet_NaN());
    else
      std::fill_n(cache.raw<uint16_t>(), cache.elements(), uint16_t{0x7fff});
  }

  void fill(int64_t sequence, Inputs& in) {
    const int64_t n = context_len[sequence];
    const Tensor k = in.normal({n, shape.kv_heads(), shape.head_dim}), v = in.normal({n, shape.kv_heads(), shape.head_dim});
    const Tensor slots = in.empty(DType::i32, {n});
    const int32_t* blocks = block_table.as<int32_t>() + sequence * block_table.stride[0];
    for (int32_t j = 0; j < n; ++j)
      slots.as<int32_t>()[j] = static_cast<int32_t>(blocks[j / shape.block_size] * shape.block_size + j % shape.block_size);
    ThreadPool pool(1);
    Arena none(0);
    Context context{pool, none};
    ref::kv_write(kv, k, v, slots, context);
  }
};

}  // namespace weft::test
