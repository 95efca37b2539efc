#pragma once
// Pre-tokenizers as tokenizer.json writes them, and as the patterns that GGUF's names stand for (gguf_pre_tokenizer.h).
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace weft {

// A "pre_tokenizer" object that splits at the matches of each pattern in turn and spells bytes in GPT-2's alphabet.
nlohmann::json pre_tokenizer_json(const std::vector<std::string>& patterns);
// The patterns of such an object; nothing if it does something else.
std::optional<std::vector<std::string>> pre_tokenizer_patterns(const nlohmann::json& pre_tokenizer);

}  // namespace weft
