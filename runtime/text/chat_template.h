#pragma once
// Chat templates: the Jinja subset that the templates of SmolLM2, Llama, Mistral and Qwen use. Anything
// outside it is refused when the template is parsed (or, for filters, tests and methods, at the latest when
// it is reached) with one sentence that names the construct and its line. Time and output are bounded.
// Semantics: Jinja2 as transformers sets it up (trim_blocks and lstrip_blocks on, loop controls, tojson
// without escapes).
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

struct ChatMessage {
  std::string role;  // "system", "user", "assistant", ...
  std::string content;
};

class ChatTemplate {
 public:
  // Parses the template. Throws InputError for syntax errors and for what is not supported.
  explicit ChatTemplate(std::string_view source);
  ~ChatTemplate();
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;

  // The prompt for a conversation. The text already holds every special token: encode it with add_special =
  // false and parse_special = true. raise_exception() of the template and roles it refuses become InputError.
  std::string apply(const std::vector<ChatMessage>& messages, bool add_generation_prompt, std::string_view bos_token,
                    std::string_view eos_token) const;

 private:
  struct Program;
  std::unique_ptr<const Program> program_;
};

}  // namespace weft
