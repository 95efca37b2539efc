#pragma once
// The pre-tokenizers that have a name in GGUF (tokenizer.ggml.pre) and Weft knows, as tokenizer.json writes
// them.
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace weft {

// The "pre_tokenizer" object for a GGUF name (aliases included); nothing if the name is not known.
std::optional<nlohmann::json> pre_tokenizer_json(std::string_view gguf_name);
// The GGUF name of a "pre_tokenizer" object; nothing if it is none of them.
std::optional<std::string> pre_tokenizer_name(const nlohmann::json& pre_tokenizer);

// What goes with the name in tokenizer.json.
bool normalises_to_nfc(std::string_view gguf_name);
bool ignores_merges(std::string_view gguf_name);  // a whole word that is a token is taken as it is

}  // namespace weft
