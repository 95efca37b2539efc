#pragma once
#include <memory>
#include <string>

#include "runtime/text/tokenizer.h"

namespace weft {

// The tokenizer of a Hugging Face directory or GGUF file; refused with one sentence if the model has none.
std::unique_ptr<Tokenizer> open_tokenizer(const std::string& model_path);

}  // namespace weft
