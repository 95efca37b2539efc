#pragma once
// What a request may ask for.
#include "runtime/serve/generation.h"

namespace weft {

// Throws ServeError invalid_argument with one sentence. has_text: the model has a tokenizer, so stop strings
// can match.
void check_generation(const Generation& wanted, int64_t vocab_size, int64_t max_model_len, bool has_text);

}  // namespace weft
