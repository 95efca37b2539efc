#include "kernels/sample/sample.h"

#include <cstring>

#include "kernels/core/dispatch.h"

namespace weft {

// Comparisons are written so that a NaN fails them.
void check_sampling(const SamplingParams& p) {
  if (!(p.temperature >= 0 && p.temperature <= 100)) bad_input("temperature is ", p.temperature, "; it must be 0 to 100");
  if (p.top_k < 0) bad_input("top_k is ", p.top_k, "; it must be 0 (off) or more");
  if (!(p.top_p > 0 && p.top_p <= 1)) bad_input("top_p is ", p.top_p, "; it must be above 0 and at most 1");
  if (!(p.min_p >= 0 && p.min_p <= 1)) bad_input("min_p is ", p.min_p, "; it must be 0 to 1");
  if (!(p.repetition_penalty > 0 && p.repetition_penalty <= 100))
    bad_input("repetition_penalty is ", p.repetition_penalty, "; it must be above 0 and at most 100");
  if (!(p.presence_penalty >= -2 && p.presence_penalty <= 2))
    bad_input("presence_penalty is ", p.presence_penalty, "; it must be -2 to 2");
  if (!(p.frequency_penalty >= -2 && p.frequency_penalty <= 2))
    bad_input("frequency_penalty is ", p.frequency_penalty, "; it must be -2 to 2");
}

VocabSlice VocabSlice::whole(int64_t vocab) {
  return {.vocab = vocab, .gather = [](std::span<std::byte> all, std::span<const std::byte> own) {
            std::memcpy(all.data(), own.data(), own.size());
          }};
}

void sample(Tensor ids, Tensor logits, std::span<const SampleRow> rows, const VocabSlice& slice, Context& context) {
  WEFT_CHECK(logits.rank == 2 && logits.dtype == DType::f32 && logits.contiguous() && logits.dim(0) == std::ssize(rows),
             "logits are ", logits.describe(), ", ", rows.size(), " rows");
  WEFT_CHECK(ids.rank == 1 && ids.dtype == DType::i32 && ids.contiguous() && ids.dim(0) == logits.dim(0), "ids are ",
             ids.describe(), ", logits ", logits.describe());
  WEFT_CHECK(slice.first >= 0 && slice.first + logits.dim(1) <= slice.vocab, logits.dim(1), " logits from ", slice.first,
             " of ", slice.vocab);
  run<cpu::sample>("sample", ids, sample_workspace(logits.dim(0), slice.slices), context, ids, logits, rows, slice);
}

}  // namespace weft
