#include "kernels/sample/sample.h"

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
}

int32_t sample(Tensor logits, const SamplingParams& params, std::span<const int32_t> seen, int64_t position, Context& context) {
  WEFT_CHECK(logits.rank == 1 && logits.dtype == DType::f32 && logits.contiguous() && logits.dim(0) > 0, "logits are ",
             logits.describe());
  check_sampling(params);
  if (params.repetition_penalty != 1)
    for (int32_t id : seen) WEFT_CHECK(id >= 0 && id < logits.dim(0), "token ", id, " of ", logits.dim(0));
  require_cpu("sample", logits);
  return cpu::sample(logits, params, seen, position, context);
}

}  // namespace weft
