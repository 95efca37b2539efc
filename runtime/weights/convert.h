#pragma once
// weft convert: a model as GGUF, readable by Weft and llama.cpp.
#include <string>
#include <vector>

#include "kernels/core/dtype.h"
#include "runtime/weights/tensor_copy.h"

namespace weft {

// Writes `output` from a Hugging Face directory (llama, mistral, mixtral, qwen2, qwen3) or from another GGUF,
// whose metadata is copied. Matrices become `type`, with llama.cpp's exceptions: vectors, the router and
// rope_freqs are f32; for types below 8 bits the output matrix (the embedding where they are tied) is q6_K;
// rows that are not whole blocks become q8_0, or f16 where that does not fit either. What is already stored
// as `type` is copied bit for bit, everything else goes through f32. Values that are not finite, or are not in `type`, are
// refused unless Values::any. Returns one sentence for everything the user should know (types that did not fit, a missing
// tokenizer). No file is left behind by a failure.
std::vector<std::string> convert(const std::string& model, DType type, const std::string& output,
                                 Values values = Values::finite);

}  // namespace weft
