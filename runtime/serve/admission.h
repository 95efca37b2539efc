#pragma once
// What a request may ask for.
#include "runtime/serve/generation.h"

namespace weft {

// Throws ServeError invalid_argument with one sentence.
void check_generation(const Generation& wanted, int64_t vocab_size, int64_t max_model_len);

}  // namespace weft
