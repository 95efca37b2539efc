#pragma once
// Choosing the next token of each of a step's rows, on slices of the vocabulary. Greedy (temperature 0): the largest logit after
// the penalties, ties to the lowest id. Otherwise the filters run in Hugging Face's order: penalties, temperature, top-k, top-p,
// min-p; then one uniform number, a pure function of (seed, position) [Philox4x32-10, Salmon et al. 2011], picks from the
// surviving tokens in descending order of probability (ties: lower id). Batch mates and earlier draws change nothing.
//
// Weights are integers: floor(e^score * 2^s), score = (logit - largest) / temperature, s such that the sum over the vocabulary
// fits 64 bits. Their sums have no rounding, so that slices, threads and kernels add them in any order. Nothing is sorted: the
// token that holds a point of the cumulative sum in descending order is found by its score's bits, eight at a time, from
// histograms of the slices [radix selection; Alabi et al. 2012]. Top-k, top-p and the draw are each such a point. A slice gives
// 4 KiB a row and round: an exchange does not grow with the vocabulary.
//
// Every value that check_sampling() takes ends: no score is above 0, a temperature near 0 leaves the largest alone, and what a
// penalty makes of a logit saturates at f32's range.
#include <cstdint>
#include <functional>
#include <span>

#include "kernels/core/context.h"
#include "kernels/core/tensor.h"

namespace weft {

struct SamplingParams {
  float temperature = 0;         // [0, 100]; 0 is greedy
  int top_k = 0;                 // >= 0; 0: off
  float top_p = 1;               // (0, 1]; 1: off
  float min_p = 0;               // [0, 1]; keeps tokens with p >= min_p * max p
  float repetition_penalty = 1;  // (0, 100]; logit / r if positive, logit * r if negative, for every token seen before
  float presence_penalty = 0;    // [-2, 2]; subtracted from the logit of every token generated before
  float frequency_penalty = 0;   // [-2, 2]; the same, once for each time it was generated
  uint64_t seed = 0;

  bool penalises() const { return repetition_penalty != 1 || presence_penalty != 0 || frequency_penalty != 0; }
};

// Refuses values outside those ranges with an InputError that names the field as the .proto does: the limits of every command,
// of the server and of the engine.
void check_sampling(const SamplingParams& params);

// A token that a sequence has: in its prompt, or generated so many times.
struct SeenToken {
  int32_t id = 0;
  int32_t generated = 0;
};

struct SampleRow {
  SamplingParams params;            // as check_sampling() takes them
  int64_t position = 0;             // index of the token being drawn in its sequence
  std::span<const SeenToken> seen;  // each id once, in any order; read only if params.penalises()
};

// Which part of the vocabulary these logits are, and how the slices' holders come to know each other's values: `gather` is
// called by all of them equally often, each with `own` bytes; `all` has every slice's bytes in order.
struct VocabSlice {
  int64_t vocab = 0, first = 0;  // of the whole; the first id of this slice
  int slices = 1, index = 0;
  std::function<void(std::span<std::byte> all, std::span<const std::byte> own)> gather;

  static VocabSlice whole(int64_t vocab);
};

// ids: (rows) i32, equal on all slices; -1 where a logit of the row is NaN or infinite: no token follows then.
// logits: (rows, own slice) f32, overwritten. rows: one each, equal on all slices. Workspace: sample_workspace(). `ref` takes the
// whole vocabulary only.
using SampleOp = void(Tensor ids, Tensor logits, std::span<const SampleRow> rows, const VocabSlice& slice, Context& context);
SampleOp sample;
int64_t sample_workspace(int64_t rows, int slices);
namespace ref { SampleOp sample; }
namespace cpu { SampleOp sample; }

}  // namespace weft
