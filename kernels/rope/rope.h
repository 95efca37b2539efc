#pragma once
// Rotary position embedding (Su et al. 2021) on the first 2 * pairs components of each head.
//   half:         component i is paired with i + pairs           (Hugging Face's Llama)
//   interleaved:  component 2 i is paired with 2 i + 1           (the paper's; GGUF Llama weights are permuted for it)
//   (a, b) -> (a cos - b sin, b cos + a sin), each product and sum as fma(a, cos, -(b * sin)) and fma(b, cos, a * sin)
#include "kernels/core/context.h"
#include "kernels/core/tensor.h"

namespace weft {

enum class RopePairs : uint8_t { half, interleaved };

// cos_sin: (tokens, 2, pairs) f32. angle = float(position) * inv_freq in f32, as transformers rounds it; cos and sin of
// that angle are correctly rounded from double, times `attention_factor` (YaRN's and longrope's; 1 otherwise).
// positions: (tokens) i32   inv_freq: (pairs) f32. Computed once a step, used by all layers.
using RopeTableOp = void(Tensor cos_sin, Tensor positions, Tensor inv_freq, float attention_factor, Context& context);
RopeTableOp rope_table;

// x: (tokens, heads, head_dim) f32, token stride free, in place.
using RopeOp = void(Tensor x, Tensor cos_sin, RopePairs pairing, Context& context);
RopeOp rope;

namespace ref { RopeTableOp rope_table; RopeOp rope; }
namespace cpu { RopeTableOp rope_table; RopeOp rope; }

}  // namespace weft
