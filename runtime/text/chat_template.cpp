#include "runtime/text/chat_template.h"

#include "kernels/core/check.h"
#include "runtime/text/jinja_ast.h"
#include "runtime/text/jinja_evaluator.h"
#include "runtime/text/utf8.h"

namespace weft {

using jinja::Dict;
using jinja::List;
using jinja::None;
using jinja::Value;

struct ChatTemplate::Program {
  jinja::Block statements;
};

ChatTemplate::ChatTemplate(std::string_view source) {
  if (const size_t bad = find_invalid_utf8(source); bad != std::string_view::npos) {
    bad_input("the chat template is not valid UTF-8: byte ", bad, " is not part of a character");
  }
  program_ = std::make_unique<const Program>(Program{jinja::parse(source)});
}

ChatTemplate::~ChatTemplate() = default;
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;

std::string ChatTemplate::apply(const std::vector<ChatMessage>& messages, bool add_generation_prompt,
                                std::string_view bos_token, std::string_view eos_token) const {
  List list;
  for (const ChatMessage& message : messages) {
    if (find_invalid_utf8(message.role) != std::string::npos || find_invalid_utf8(message.content) != std::string::npos) {
      bad_input("message ", list.size(), " of the conversation is not valid UTF-8");
    }
    list.push_back(Value::dict({{"role", {message.role}}, {"content", {message.content}}}));
  }
  // `tools` and `documents` are none unless given, as in transformers.
  return jinja::render(program_->statements, {{"messages", Value::list(std::move(list))},
                                              {"add_generation_prompt", {add_generation_prompt}},
                                              {"bos_token", {std::string(bos_token)}},
                                              {"eos_token", {std::string(eos_token)}},
                                              {"tools", {None{}}},
                                              {"documents", {None{}}}});
}

}  // namespace weft
