#pragma once
// Byte-level BPE tokenizers in the two formats: tokenizer.json beside tokenizer_config.json, and GGUF
// metadata tokenizer.*. Only what conversion needs; runtime/text does the tokenizing.
#include <string>

#include "runtime/weights/gguf.h"
#include "runtime/weights/gguf_writer.h"

namespace weft {

// Writes tokenizer.* from a Hugging Face directory: tokens, their types, merges, the pre-tokenizer's name
// (gpt-2, smollm, llama-bpe or qwen2, recognised by its rules), special ids, chat template. A vocabulary
// below vocab_size is filled with unused tokens. Every other kind of tokenizer is refused by name. False, and
// nothing written, without a tokenizer.json.
bool put_tokenizer(GgufWriter& writer, const std::string& directory, int64_t vocab_size);

// Writes tokenizer.json and tokenizer_config.json of a GGUF into a directory. False, and nothing
// written, if it holds no byte-level BPE tokenizer.
bool write_tokenizer_files(const GgufFile& file, const std::string& directory);

}  // namespace weft
