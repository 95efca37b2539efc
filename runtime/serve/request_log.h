#pragma once
// What the log tells of requests: numbers and how they ended. Never text or ids of tokens, and no sentence that may quote a
// client's input.
#include <deque>
#include <string>

#include "runtime/serve/generation.h"

namespace weft {

const char* name(ServeCode code);  // "INVALID_ARGUMENT", ...

// The requests with the ids first to last begin; a batch may hold more, which begin as these end.
void log_received(RequestId first, RequestId last, const std::deque<Generation>& wanted);
void log_ended(RequestId id, const ActiveGeneration& active);  // its last news is made
void log_tokenized(int64_t prompt_tokens, double total_s);     // a tokenize call is answered
void log_refused(const char* what, const ServeError& error);   // "request", "batch", ...

}  // namespace weft
