#pragma once
// The added tokens of a Hugging Face directory. tokenizer.json lists most; tokenizer_config.json, special_tokens_map.json
// and added_tokens.json can name others or change their flags.
#include <nlohmann/json_fwd.hpp>

#include "runtime/text/tokenizer_parts.h"

namespace weft {

// The files beside tokenizer.json; an empty object where there is none.
struct HfTokenFiles {
  const nlohmann::json& tokenizer_config;
  const nlohmann::json& special_tokens_map;
  const nlohmann::json& added_tokens;
};

// Fills added_tokens (from the list of tokenizer.json, then the files), bos, eos and the special tokens that have a name,
// in the order and with the ids that
// transformers gives (tokenization_utils_base.py, tokenization_utils_tokenizers.py): a token that the vocabulary holds has
// its id there, any other the next one that is free, whatever id the file tells; tokenizer_config.json's
// added_tokens_decoder, where there is one, replaces the two other files.
void read_added_tokens(const nlohmann::json& list, const HfTokenFiles& files, TokenizerParts& parts);

}  // namespace weft
