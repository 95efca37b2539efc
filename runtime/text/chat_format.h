#pragma once
// What a model brings for chats: its templates, and the special tokens that they may name.
#include <filesystem>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace weft {

struct ChatFormat {
  std::map<std::string, std::string> templates;       // Jinja sources by name; a model with one calls it "default"
  std::map<std::string, std::string> special_tokens;  // as templates call them: "bos_token" -> "<s>"
};

// Of a Hugging Face directory, as transformers finds them: chat_template.jinja and additional_chat_templates/*.jinja; without
// them "chat_template" of tokenizer_config.json (config; a text or a list of named ones); without that chat_template.json,
// which processors write.
std::map<std::string, std::string> read_chat_templates(const std::filesystem::path& directory, const nlohmann::json& config);

}  // namespace weft
