#pragma once
// GGUF's metadata in Hugging Face's words, so that models read one kind of configuration.
#include <string>

#include "runtime/weights/gguf.h"

namespace weft {

// The text of an equivalent config.json. Architectures: llama (dense: model_type "llama", or "mistral" if a sliding window
// is set; with experts "mixtral"), qwen2, qwen3. Llama 3's frequency scaling has no metadata; it is the tensor
// rope_freqs.weight, (head_dim / 2) divisors of the inverse frequencies.
std::string gguf_config_json(const GgufFile& file);

}  // namespace weft
