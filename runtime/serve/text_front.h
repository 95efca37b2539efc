#pragma once
// Between the text of clients and token ids.
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/text/answer_text.h"
#include "runtime/text/chat_encoder.h"
#include "runtime/text/tokenizer.h"

namespace weft {

// Immutable: any number of threads may share one.
class TextFront {
 public:
  // tokenizer: null refuses every text. A chat template that is not supported is refused when it is used.
  explicit TextFront(std::unique_ptr<Tokenizer> tokenizer);

  // Both throw InputError with one sentence, at once for a text (a rendered chat) too long to be max_tokens tokens.
  std::vector<int32_t> encode(const std::string& text, int64_t max_tokens) const;
  std::vector<int32_t> encode(const Chat& chat, int64_t max_tokens) const;

  // Of the answer to a prompt. None without a tokenizer; then stop strings are an InputError.
  std::optional<AnswerText> answer(std::span<const int32_t> prompt, const std::vector<std::string>& stop) const;

  const Tokenizer* tokenizer() const { return tokenizer_.get(); }
  bool has_chat_template() const { return chats_ && chats_->has_template(); }

 private:
  const Tokenizer& need_tokenizer() const;

  std::unique_ptr<Tokenizer> tokenizer_;
  std::optional<ChatEncoder> chats_;
};

}  // namespace weft
