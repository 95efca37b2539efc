#pragma once
// out[t, :] = table[ids[t] - first_row, :]   out: (tokens, hidden) f32   ids: (tokens) i32   table: PackedMatrix (rows, hidden)
// Rows of ids outside [first_row, first_row + rows) give zeros: a vocabulary-parallel rank contributes only its own rows.
// Every value is 0.0f + x, so that adding the zeros of other ranks changes no bit (-0 becomes +0 on one rank too).
#include "kernels/core/context.h"
#include "kernels/matrix/packed_matrix.h"

namespace weft {

using EmbeddingOp = void(Tensor out, Tensor ids, const PackedMatrix& table, int64_t first_row, Context& context);
EmbeddingOp embedding;
namespace ref { EmbeddingOp embedding; }
namespace cpu { EmbeddingOp embedding; }

}  // namespace weft
