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

void check_batch(const AttentionBatch& batch, int64_t tokens, int64_t block_size) {
  const size_t sequences = batch.context_len.size();
  WEFT_CHECK_EQ(batch.row_offsets.size(), sequences + 1);
  WEFT_CHECK(batch.row_offsets[0] == 0 && batch.row_offsets[sequences] == tokens, batch.row_offsets[0], " to ",
             batch.row_offsets[sequences], " of ", tokens);
  WEFT_CHECK(sequences == 0 || (batch.block_table.rank == 2 && batch.block_table.dtype == DType::i32 &&
                                batch.block_table.dim(0) >= static_cast<int64_t>(sequences)),
             "block table is ", batch.block_table.describe());
  for (size_t s = 0; s < sequences; ++s) {
    const int32_t rows = batch.row_offsets[s + 1] - batch.row_offsets[s];
    WEFT_CHECK(rows >= 0 && rows <= batch.context_len[s], "sequence ", s, " has ", rows, " rows, context ",
               batch.context_len[s]);
    WEFT_CHECK(batch.context_len[s] <= batch.block_table.dim(1) * block_size, "context ", batch.context_len[s],
               " exceeds the block table ", batch.block_table.describe());
  }
}

}  // namespace

void attention(Tensor out, Tensor q, const PagedKv& kv, std::span<const HeadGroup> groups, const AttentionBatch& batch,
               const AttentionParams& params, Context& context) {
  check_cache(kv);
  WEFT_CHECK(is_row_tensor(q) && q.dim(2) == kv.k.dim(2), "q is ", q.describe(), ", k cache ", kv.k.describe());
  WEFT_CHECK(is_row_tensor(out) && out.shape == q.shape, "out is ", out.describe(), ", q ", q.describe());
  WEFT_CHECK(out.data != q.data || q.dim(0) == 0, "out aliases q");
  for (const HeadGroup& group : groups)
    WEFT_CHECK(group.kv_head >= 0 && group.kv_head < kv.k.dim(1) && group.q_begin >= 0 &&
                   group.q_begin <= group.q_end && group.q_end <= q.dim(1),
               "KV head ", group.kv_head, " serves query heads [", group.q_begin, ", ", group.q_end, ")");
  require_cpu("attention", out);
  if (context.dry()) return context.workspace.touch(attention_workspace(q.dim(0), q.dim(1), q.dim(2), context.pool.threads()));
  check_batch(batch, q.dim(0), kv.block_size());
  cpu::attention(out, q, kv, groups, batch, params, context);
}

void kv_write(const PagedKv& kv, Tensor k, Tensor v, Tensor slots, Context& context) {
  check_cache(kv);
  WEFT_CHECK(is_row_tensor(k) && k.dim(1) == kv.k.dim(1) && k.dim(2) == kv.k.dim(2), "k is ", k.describe());
  WEFT_CHECK(is_row_tensor(v) && v.shape == k.shape, "v is ", v.describe(), ", k ", k.describe());
  WEFT_CHECK(slots.rank == 1 && slots.dtype == DType::i32 && slots.dim(0) == k.dim(0), "slots are ", slots.describe());
  require_cpu("kv_write", kv.k);
  if (context.dry()) return;
  cpu::kv_write(kv, k, v, slots, context);
}

}  // namespace weft
