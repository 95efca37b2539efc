#pragma once
// A model's chat templates, given the names that transformers gives them.
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/text/chat.h"
#include "runtime/text/chat_format.h"
#include "runtime/text/jinja/template.h"

namespace weft {

class ChatTemplate {
 public:
  // A template whose syntax is wrong is refused when it is used.
  explicit ChatTemplate(ChatFormat format);

  // The prompt for a chat that check() accepts. The text already holds every special token: encode it with add_special =
  // false and parse_special = true. Throws InputError: no such template, what fails in it, raise_exception() of it.
  //
  // As transformers 5: members of messages that are null are left out; reasoning is given as reasoning_content and
  // thinking, whichever of reasoning_content, thinking and reasoning names it; variables win over special tokens.
  std::string render(const Chat& chat) const;

  const std::string& source(const Chat& chat) const { return pick(chat).source; }  // of the template that renders it
  bool usable() const;                                                             // some template has no error

 private:
  struct Named {
    std::string source;
    std::optional<jinja::Template> parsed;
    std::string error;  // why it could not be parsed
  };

  const Named& pick(const Chat& chat) const;

  std::map<std::string, Named> templates_;
  std::map<std::string, std::string> special_tokens_;
};

}  // namespace weft
