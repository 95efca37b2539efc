#include "kernels/sample/sample.h"

#include "kernels/core/dispatch.h"

namespace weft {

int32_t sample(Tensor logits, const SamplingParams& params, std::span<const int32_t> seen, int64_t position, Context& context) {
  WEFT_CHECK(logits.rank == 1 && logits.dtype == DType::f32 && logits.contiguous() && logits.dim(0) > 0, "logits are ",
             logits.describe());
  WEFT_CHECK(params.temperature >= 0 && params.top_k >= 0 && params.top_p > 0 && params.top_p <= 1 && params.min_p >= 0 &&
                 params.min_p <= 1 && params.repetition_penalty > 0,
             "temperature ", params.temperature, ", top_k ", params.top_k, ", top_p ", params.top_p, ", min_p ",
             params.min_p, ", repetition_penalty ", params.repetition_penalty);
  for (int32_t id : seen) WEFT_CHECK(id >= 0 && id < logits.dim(0), "token ", id, " of ", logits.dim(0));
  require_cpu("sample", logits);
  return cpu::sample(logits, params, seen, position, context);
}

}  // namespace weft
