#pragma once
// What is asked of the engine and what it answers: token ids only. Text lives in runtime/text and at the
// edges.
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/sample/sample.h"

namespace weft {

using RequestId = uint64_t;

struct Request {
  RequestId id = 0;
  std::vector<int32_t> prompt;  // not empty, ids in [0, vocab)
  int n_generated = 0;  // the last n_generated ids of `prompt` were generated earlier (a replay after a
                        // failure): they count towards max_tokens and are not emitted again
  int max_tokens = 16;  // > 0
  bool ignore_eos = false;
  SamplingParams sampling;
  std::string cache_salt;  // K and V are reused among requests of the same salt only
  bool logits = false;     // events carry the logits their tokens were drawn from
};

enum class FinishReason : uint8_t { none, stop, length, cancelled, error };
const char* name(FinishReason reason);  // "stop", "length", ...

// One event of one request; the engine emits them in order for each request. finish != none is the last.
struct TokenEvent {
  RequestId id = 0;
  int32_t token = -1;  // -1: none (cancelled, error)
  FinishReason finish = FinishReason::none;
  uint64_t fingerprint = 0;  // sum of kernels/fingerprint over the logits of all positions of this request sampled so far
  int cached_tokens = 0;     // of the request's ids, those whose K and V were reused, not computed
  std::string error;         // one sentence when finish == error
  std::vector<float> logits{};  // raw, of the whole vocabulary; empty unless the request wants them
};

}  // namespace weft
