#pragma once
#include <array>

namespace weft {

// What a Hugging Face directory holds beside config.json and the weights, and Weft reads; a model may lack any of them. Further
// chat templates lie in a folder of their own.
constexpr std::array<const char*, 7> kCompanionFiles = {
    "generation_config.json", "tokenizer.json",      "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json",      "chat_template.jinja", "chat_template.json"};
constexpr const char* kMoreChatTemplates = "additional_chat_templates";

}  // namespace weft
