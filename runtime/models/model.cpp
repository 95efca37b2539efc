#include "runtime/models/model.h"

#include <algorithm>

#include "kernels/rope/rope.h"
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
    rope_table(cos_sin.back(), in.positions, Tensor(const_cast<float*>(form.inv_freq.data()), {pairs}), form.attention_factor,
               p.context);
  }
  Step step{in, logits, kv, cos_sin, TokenShard::make(tokens, p.comm.size(), p.comm.rank()), p};
  Stream h(step, info.hidden_size);
  for (const auto& block : stack) (*block)(h);
}

int64_t Model::workspace(const StepLimits& limits, const Mesh& mesh, Arithmetic a, ThreadPool& pool) const {
  Arena arena = Arena::measuring();
  Context context{pool, arena};
  const auto comm = dry_communicator(mesh.rank, mesh.world);
  Parallel parallel{*comm, context, a};
  std::vector<PagedKv> kv;
  constexpr int64_t kBlocks = 1, kBlockSize = 16;  // of no consequence
  for (const Paged& form : paged)
    kv.push_back({.k = Tensor(nullptr, DType::f32, {kBlocks, form.heads.n(), form.k, kBlockSize}),
                  .v = Tensor(nullptr, DType::f32, {kBlocks, form.heads.n(), kBlockSize, form.v})});
  const auto run = [&](int64_t tokens) {
    const int64_t rows = std::min(tokens, limits.max_rows);
    const Tensor each_token(nullptr, DType::i32, {tokens});
    forward(Tensor(nullptr, DType::f32, {rows, vocab_slice(info.vocab_size, mesh.world, mesh.rank).size()}),
            {each_token, each_token, each_token, {}, Tensor(nullptr, DType::i32, {rows})}, kv, parallel);
  };
  // It grows with the tokens within each of the shard's two forms.
  int64_t replicated = limits.max_tokens;
  while (replicated > 0 && !TokenShard::make(replicated, mesh.world, mesh.rank).replicated) --replicated;
  run(limits.max_tokens);
  run(replicated);
  return arena.peak();
}

}  // namespace weft
