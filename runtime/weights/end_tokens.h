#pragma once
#include <cstdint>
#include <vector>

#include "runtime/weights/gguf.h"

namespace weft {

// Every token that ends a text in a GGUF file, without repetition: the one of tokenizer.ggml.eos_token_id first, then those
// of other keys, then those known by their text alone, as "<|eot_id|>", "<|im_end|>" and "<end_of_turn>". Which keys and
// texts end a text is llama.cpp's convention (src/llama-vocab.cpp).
std::vector<int64_t> end_token_ids(const GgufFile& file);

}  // namespace weft
