#pragma once
// Byte-level BPE tokenizers in the two formats: tokenizer.json beside tokenizer_config.json, and GGUF
// metadata tokenizer.*. Only what conversion needs; runtime/text does the tokenizing.
#include <string>

#include "runtime/weights/gguf.h"
#include "runtime/weights/gguf_writer.h"

namespace weft {

// Writes tokenizer.* from a Hugging Face directory: tokens (also those that only tokenizer_config.json and the like name),
// their types, merges, the pre-tokenizer's name (recognised by its patterns, normalizer and ignore_merges), special ids,
// chat template. A vocabulary below vocab_size is filled with unused tokens. What GGUF cannot hold is refused by name, and
// so is a tokenizer that gives other ids when it is read back. False, and nothing written, without a tokenizer.json.
bool put_tokenizer(GgufWriter& writer, const std::string& directory, int64_t vocab_size);

// Writes tokenizer.json and tokenizer_config.json of a GGUF into a directory. False, and nothing
// written, if it holds no byte-level BPE tokenizer.
bool write_tokenizer_files(const GgufFile& file, const std::string& directory);

}  // namespace weft
