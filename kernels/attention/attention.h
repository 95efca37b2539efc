#pragma once
// Causal flash attention (Dao et al. 2022) of a ragged batch over a paged KV cache: prefill chunks and decode rows alike.
//   out[t, h, :] = sum_j softmax_j(scale * q[t, h, :] . k[j, g, :]) v[j, g, :]   over positions j of t's sequence with
//   j <= pos(t), and j > pos(t) - window if window > 0; g is the KV head that serves query head h.
//
// Canonical order: KV is cut at absolute positions into splits of 128. Within a split: scores = (scale * q) . k with
// head_dim sequential by FMA; one maximum; exp of core/simd.h; the sum of weights over 16 interleaved lanes (position
// mod 16) added in one tree; the weighted sum of v with positions sequential by FMA. Splits are folded in ascending order
// into one running (max, sum, out); splits a row does not see are skipped. So a row's bits depend only on its position, q
// and the K and V it sees: not on chunking, batch mates, block table, block size, threads or instruction set.
#include <span>

#include "kernels/core/context.h"
#include "kernels/core/tensor.h"

namespace weft {

// One layer's cache on one rank. block_size is a multiple of 16. dtype f32, f16 or bf16.
struct PagedKv {
  Tensor k;  // (blocks, n_kv_heads, head_dim, block_size): positions are the lanes
  Tensor v;  // (blocks, n_kv_heads, block_size, head_dim)
  int64_t block_size() const { return k.dim(3); }
};

// Query heads [q_begin, q_end) read KV head kv_head; indices are this rank's own.
struct HeadGroup {
  int kv_head, q_begin, q_end;
  bool operator==(const HeadGroup&) const = default;
};

// Sequence s has query rows [row_offsets[s], row_offsets[s + 1]); they are its last positions, ending at context_len[s] - 1.
struct AttentionBatch {
  Tensor row_offsets;  // (sequences + 1) i32
  Tensor context_len;  // (sequences) i32; K and V of all these positions are already written
  Tensor table_rows;   // (sequences) i32: which row of the block table is whose
  Tensor block_table;  // (rows, max blocks) i32
  int64_t sequences() const { return context_len.dim(0); }
};

// The pieces of work that a batch is cut into, made once a step for all layers whose heads are grouped alike.
// schedule: (attention_schedule_rows(tokens, n_heads), kAttentionScheduleColumns) i32; what it holds is the backend's business.
constexpr int64_t kAttentionScheduleColumns = 7;
int64_t attention_schedule_rows(int64_t tokens, int64_t n_heads);
using AttentionScheduleOp = void(Tensor schedule, std::span<const HeadGroup> groups, const AttentionBatch& batch,
                                 Context& context);
AttentionScheduleOp attention_schedule;

struct AttentionParams {
  float scale;
  int window = 0;      // 0: no sliding window
  float soft_cap = 0;  // > 0: score = soft_cap * tanh(score / soft_cap)
};

// q, out: (tokens, n_heads, head_dim) f32, token stride free; out must not alias q. schedule: of these groups and this batch.
using AttentionOp = void(Tensor out, Tensor q, const PagedKv& kv, std::span<const HeadGroup> groups,
                         const AttentionBatch& batch, Tensor schedule, const AttentionParams& params, Context& context);
AttentionOp attention;
int64_t attention_workspace(int64_t head_dim, int threads);

// Writes row t of k and v (tokens, n_kv_heads, head_dim) f32, token stride free, to slots[t] = block * block_size + offset,
// rounded to the cache's dtype (nearest even). slots: (tokens) i32.
using KvWriteOp = void(const PagedKv& kv, Tensor k, Tensor v, Tensor slots, Context& context);
KvWriteOp kv_write;

namespace ref {
AttentionOp attention;
KvWriteOp kv_write;
}  // namespace ref
namespace cpu {
AttentionScheduleOp attention_schedule;
AttentionOp attention;
KvWriteOp kv_write;
}  // namespace cpu

}  // namespace weft
