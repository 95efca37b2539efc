#include "runtime/text/chat_template.h"

#include <nlohmann/json.hpp>

#include "kernels/core/check.h"
#include "runtime/text/utf8.h"

namespace weft {

using Json = nlohmann::ordered_json;

std::string ChatTemplate::apply(const std::vector<ChatMessage>& messages, bool add_generation_prompt,
                                std::string_view bos_token, std::string_view eos_token) const {
  Json list = Json::array();
  for (const ChatMessage& message : messages) {
    if (find_invalid_utf8(message.role) != std::string::npos || find_invalid_utf8(message.content) != std::string::npos) {
      bad_input("message ", list.size(), " of the conversation is not valid UTF-8");
    }
    list.push_back({{"role", message.role}, {"content", message.content}});
  }
  // `tools` and `documents` are none unless given, as in transformers.
  return template_.render({{"messages", std::move(list)},
                           {"add_generation_prompt", add_generation_prompt},
                           {"bos_token", bos_token},
                           {"eos_token", eos_token},
                           {"tools", nullptr},
                           {"documents", nullptr}});
}

}  // namespace weft
