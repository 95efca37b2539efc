#include "kernels/attention/attention.h"

#include "kernels/core/dispatch.h"

namespace weft {
namespace {

bool is_row_tensor(const Tensor& x) {
  return x.rank == 3 && x.dtype == DType::f32 && x.stride[2] == 1 && x.stride[1] == x.dim(2);
}

void check_cache(const PagedKv& kv) {
  const DType dtype = kv.k.dtype;
  WEFT_CHECK(dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16, "k cache is ", kv.k.describe());
  WEFT_CHECK(kv.k.rank == 4 && kv.k.contiguous() && kv.block_size() % 16 == 0 && kv.block_size() > 0, "k cache is ",
             kv.k.describe());
  WEFT_CHECK(kv.v.rank == 4 && kv.v.contiguous() && kv.v.dtype == dtype && kv.v.dim(0) == kv.k.dim(0) &&
                 kv.v.dim(1) == kv.k.dim(1) && kv.v.dim(2) == kv.block_size() && kv.v.dim(3) == kv.k.dim(2),
             "k cache is ", kv.k.describe(), ", v cache ", kv.v.describe());
}

void check_batch(const AttentionBatch& batch) {
  const auto lengths = [](const Tensor& x) { return x.rank == 1 && x.dtype == DType::i32 && x.contiguous(); };
  WEFT_CHECK(lengths(batch.context_len) && lengths(batch.row_offsets) && batch.row_offsets.dim(0) == batch.sequences() + 1 &&
                 lengths(batch.table_rows) && batch.table_rows.dim(0) == batch.sequences(),
             "row offsets are ", batch.row_offsets.describe(), ", context lengths ", batch.context_len.describe(),
             ", table rows ", batch.table_rows.describe());
  WEFT_CHECK(batch.block_table.rank == 2 && batch.block_table.dtype == DType::i32 && batch.block_table.stride[1] == 1,
             "block table is ", batch.block_table.describe());
}

void check_schedule(Tensor schedule) {
  WEFT_CHECK(schedule.rank == 2 && schedule.dtype == DType::i32 && schedule.contiguous() &&
                 schedule.dim(1) == kAttentionScheduleColumns,
             "schedule is ", schedule.describe());
}

}  // namespace

void attention_schedule(Tensor schedule, std::span<const HeadGroup> groups, const AttentionBatch& batch, Context& context) {
  check_schedule(schedule);
  check_batch(batch);
  run<cpu::attention_schedule>("attention_schedule", schedule, 0, context, schedule, groups, batch);
}

void attention(Tensor out, Tensor q, const PagedKv& kv, std::span<const HeadGroup> groups, const AttentionBatch& batch,
               Tensor schedule, const AttentionParams& params, Context& context) {
  check_cache(kv);
  check_schedule(schedule);
  check_batch(batch);
  WEFT_CHECK(is_row_tensor(q) && q.dim(2) == kv.k.dim(2), "q is ", q.describe(), ", k cache ", kv.k.describe());
  WEFT_CHECK(is_row_tensor(out) && out.shape == q.shape, "out is ", out.describe(), ", q ", q.describe());
  WEFT_CHECK(out.data != q.data || q.dim(0) == 0, "out aliases q");
  for (const HeadGroup& group : groups)
    WEFT_CHECK(group.kv_head >= 0 && group.kv_head < kv.k.dim(1) && group.q_begin >= 0 && group.q_begin <= group.q_end &&
                   group.q_end <= q.dim(1),
               "KV head ", group.kv_head, " serves query heads [", group.q_begin, ", ", group.q_end, ")");
  WEFT_CHECK(schedule.dim(0) >= attention_schedule_rows(q.dim(0), q.dim(1)), "schedule is ", schedule.describe(), ", q ",
             q.describe());
  run<cpu::attention>("attention", out, attention_workspace(q.dim(2), context.pool.threads()), context, out, q, kv, groups,
                      batch, schedule, params);
}

void kv_write(const PagedKv& kv, Tensor k, Tensor v, Tensor slots, Context& context) {
  check_cache(kv);
  WEFT_CHECK(is_row_tensor(k) && k.dim(1) == kv.k.dim(1) && k.dim(2) == kv.k.dim(2), "k is ", k.describe());
  WEFT_CHECK(is_row_tensor(v) && v.shape == k.shape, "v is ", v.describe(), ", k ", k.describe());
  WEFT_CHECK(slots.rank == 1 && slots.dtype == DType::i32 && slots.dim(0) == k.dim(0), "slots are ", slots.describe());
  run<cpu::kv_write>("kv_write", kv.k, 0, context, kv, k, v, slots);
}

}  // namespace weft
