#pragma once
// Choosing the next token from one row of logits. Greedy (temperature 0): the largest logit after the repetition penalty,
// ties to the lowest id. Otherwise the filters run in Hugging Face's order: repetition penalty, temperature, top-k, top-p,
// min-p; then one uniform number, a pure function of (seed, position) [Philox4x32-10, Salmon et al. 2011], picks from the
// surviving tokens in descending order of probability (ties: lower id). Batch mates and earlier draws change nothing.
// Every value that check_sampling() takes ends in time O(vocab log vocab): a score is (logit - largest) / temperature, so none
// is above 0, a temperature near 0 leaves the largest alone, and what the penalty makes of a logit saturates at f32's range.
#include <cstdint>
#include <span>

#include "kernels/core/context.h"
#include "kernels/core/tensor.h"

namespace weft {

struct SamplingParams {
  float temperature = 0;          // [0, 100]; 0 is greedy
  int top_k = 0;                  // >= 0; 0: off
  float top_p = 1;                // (0, 1]; 1: off
  float min_p = 0;                // [0, 1]; keeps tokens with p >= min_p * max p
  float repetition_penalty = 1;   // (0, 100]; logit / r if positive, logit * r if negative, for every token seen before
  uint64_t seed = 0;
};

// Refuses values outside those ranges with an InputError that names the field as the .proto does: the limits of every command,
// of the server and of the engine.
void check_sampling(const SamplingParams& params);

// logits: (vocab) f32. seen: the token ids the repetition penalty applies to (prompt and generated; duplicates allowed).
// position: index of the token being drawn in its sequence. Returns -1 if a logit is NaN or infinite: no token follows then.
using SampleOp = int32_t(Tensor logits, const SamplingParams& params, std::span<const int32_t> seen, int64_t position, Context& context);
SampleOp sample;
int64_t sample_workspace(int64_t vocab);
namespace ref { SampleOp sample; }
namespace cpu { SampleOp sample; }

}  // namespace weft
