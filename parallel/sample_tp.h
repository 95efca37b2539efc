#pragma once
// What becomes of logits in the tensor-parallel group. Each rank holds its slice of the vocabulary, (rows, own slice) f32, and
// keeps it: tokens are drawn and fingerprints summed where the slices lie, every rank gets both, and only the rows that somebody
// asks for are gathered. Called by all ranks of p.tp together.
#include "kernels/fingerprint/fingerprint.h"
#include "kernels/sample/sample.h"
#include "parallel/linear_tp.h"
#include "parallel/mesh.h"

namespace weft {

// The ids of rank `rank`: those of its rows of the head.
inline Range vocab_slice(int64_t vocab, int ranks, int rank) { return split_evenly(vocab, ranks, rank); }
inline Range vocab_slice(int64_t vocab, const Communicator& tp) { return vocab_slice(vocab, tp.size(), tp.rank()); }
inline Range vocab_slice(int64_t vocab, const Mesh& mesh) { return vocab_slice(vocab, mesh.tp, mesh.tp_rank()); }

// ids: (rows) i32. logits are overwritten. rows: equal on all ranks. The tokens of one rank, whatever the number of ranks.
void vocab_sample(Tensor ids, Tensor logits, std::span<const SampleRow> rows, int64_t vocab, Parallel& p);

// sums: (rows, 2) i32, of the whole vocabulary; positions: (rows) i32.
void vocab_fingerprint(Tensor sums, Tensor logits, Tensor positions, int64_t vocab, Parallel& p);

// out: (rows, vocab) f32 on rank 0; the other ranks' is left alone.
void gather_logits(Tensor out, Tensor logits, int64_t vocab, Parallel& p);

}  // namespace weft
