#pragma once
// Chat templates: the names that transformers gives to the Jinja template of a model.
#include <string>
#include <string_view>
#include <vector>

#include "runtime/text/jinja/template.h"

namespace weft {

struct ChatMessage {
  std::string role;  // "system", "user", "assistant", ...
  std::string content;
};

class ChatTemplate {
 public:
  // Parses the template. Throws InputError for errors of syntax.
  explicit ChatTemplate(std::string_view source) : template_(source) {}

  // The prompt for a conversation. The text already holds every special token: encode it with add_special =
  // false and parse_special = true. raise_exception() of the template and roles it refuses become InputError.
  std::string apply(const std::vector<ChatMessage>& messages, bool add_generation_prompt, std::string_view bos_token,
                    std::string_view eos_token) const;

 private:
  jinja::Template template_;
};

}  // namespace weft
