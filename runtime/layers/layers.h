#pragma once
// The sublayers of a transformer block. Each replaces x (own rows, hidden) by its output, sharded alike; everything
// between, tensor-parallel columns and rows, is the ops' business.
#include "runtime/layers/step.h"

namespace weft {

// softmax(q k^T / sqrt(head_dim)) v over the paged cache, which gets this step's k and v first.
void self_attention(Tensor x, const AttentionWeights& w, const PagedKv& kv, Step& s);
// down(silu(gate x) * up x)
void mlp(Tensor x, const MlpWeights& w, Step& s);
// sum over the k experts the router chose of weight * expert(x); each expert is an MLP.
void moe(Tensor x, const MoeWeights& w, Step& s);

// Bytes of workspace each takes for `tokens` rows, the op's own included.
int64_t self_attention_workspace(int64_t tokens, int64_t hidden, const AttentionWeights& w, Arithmetic a, int threads);
int64_t mlp_workspace(int64_t tokens, int64_t hidden, const MlpWeights& w, Arithmetic a, int threads);
int64_t moe_workspace(int64_t tokens, int64_t hidden, const MoeWeights& w, int ranks, Arithmetic a, int threads);

}  // namespace weft
