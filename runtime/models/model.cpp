#include "runtime/models/model.h"

#include <algorithm>

#include "kernels/rope/rope.h"
#include "parallel/groups.h"
#include "parallel/sample_tp.h"

namespace weft {

void Model::forward(Tensor logits, const StepInput& in, std::span<const PagedKv> kv, Parallel& p) const {
  Arena& arena = p.context.workspace;
  const Arena::Scope scope(arena);
  const int64_t tokens = in.ids.dim(0);
  std::vector<Tensor> cos_sin;
  for (const TableForm& form : tables) {
    const int64_t pairs = std::ssize(form.inv_freq);
    cos_sin.push_back(arena.tensor(DType::f32, {tokens, 2, pairs}));
    rope_table(cos_sin.back(), in.positions, Tensor(const_cast<float*>(form.inv_freq.data()), {pairs}),
               form.attention_factor, p.context);
  }
  std::vector<Tensor> attention_work;
  for (const std::vector<HeadGroup>& groups : schedules) {
    const int64_t heads = groups.empty() ? 0 : groups.back().q_end;
    attention_work.push_back(arena.tensor(DType::i32, {attention_schedule_rows(tokens, heads), kAttentionScheduleColumns}));
    attention_schedule(attention_work.back(), groups, in.batch, p.context);
  }
  const TokenShard shard = TokenShard::make(tokens, p.tp);
  Step step{in, logits, kv, cos_sin, attention_work, shard, ExpertExchange::of(shard, in.expert_capacity, p), p};
  Stream h(step, info.hidden_size);
  for (const auto& block : stack) (*block)(h);
}

int64_t Model::workspace(const StepLimits& limits, const Mesh& mesh, Arithmetic a, ThreadPool& pool) const {
  Arena arena = Arena::measuring();
  Context context{pool, arena};
  const Groups groups = Groups::dry(mesh);
  Parallel parallel{groups.tp(), groups.ep(), context, a};
  std::vector<PagedKv> kv;
  constexpr int64_t kBlocks = 1, kBlockSize = 16;  // of no consequence
  for (const Paged& form : paged)
    kv.push_back({.k = Tensor(nullptr, DType::f32, {kBlocks, form.heads.n(), form.k, kBlockSize}),
                  .v = Tensor(nullptr, DType::f32, {kBlocks, form.heads.n(), kBlockSize, form.v})});
  const AttentionBatch one_sequence{Tensor(nullptr, DType::i32, {2}), Tensor(nullptr, DType::i32, {1}),
                                    Tensor(nullptr, DType::i32, {1}), Tensor(nullptr, DType::i32, {1, kBlocks})};
  const auto run = [&](int64_t tokens) {
    const int64_t rows = std::min(tokens, limits.max_rows);
    const Tensor each_token(nullptr, DType::i32, {tokens});
    forward(Tensor(nullptr, DType::f32, {rows, vocab_slice(info.vocab_size, mesh).size()}),
            {each_token, each_token, each_token, one_sequence, Tensor(nullptr, DType::i32, {rows}), limits.expert_capacity},
            kv, parallel);
  };
  // It grows with the tokens within each of the shard's two forms.
  run(limits.max_tokens);
  run(TokenShard::most_replicated(limits.max_tokens, mesh.tp));
  return arena.peak();
}

}  // namespace weft
