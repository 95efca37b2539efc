#pragma once
// The components of tokenizer.json, each {"type": name, ...}. A type or a setting that is not supported is
// refused by name; nlohmann's exceptions for missing or mistyped keys pass through to the caller, who knows
// the file.
#include <nlohmann/json_fwd.hpp>

#include "runtime/text/tokenizer_parts.h"

namespace weft {

Normalizer read_normalizer(const nlohmann::json& json);                        // null: none
std::vector<PreTokenizerStep> read_pre_tokenizer(const nlohmann::json& json);  // null: none
Bpe read_bpe(const nlohmann::json& json);
void read_post_processor(const nlohmann::json& json, TokenizerParts& parts);  // sets prefix and suffix
Decoder read_decoder(const nlohmann::json& json);

}  // namespace weft
