#pragma once
// Prompts to token ids.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/text/chat_template.h"
#include "runtime/text/tokenizer.h"

namespace weft {

// Immutable: any number of threads may share one.
class TextFront {
 public:
  // tokenizer: null refuses every text. A chat template that is not supported is refused when it is used.
  explicit TextFront(std::unique_ptr<Tokenizer> tokenizer);

  // Both throw InputError with one sentence, at once for a text (a rendered chat) too long to be max_tokens tokens.
  std::vector<int32_t> encode(const std::string& text, int64_t max_tokens) const;
  std::vector<int32_t> encode(const std::vector<ChatMessage>& messages, int64_t max_tokens) const;

  const Tokenizer* tokenizer() const { return tokenizer_.get(); }
  bool has_chat_template() const { return template_.has_value(); }

 private:
  const Tokenizer& need_tokenizer() const;
  std::string piece(std::optional<int32_t> id) const;

  std::unique_ptr<Tokenizer> tokenizer_;
  std::optional<ChatTemplate> template_;
  std::string template_error_;  // why there is none
};

}  // namespace weft
