#include "runtime/serve/text_front.h"

#include "kernels/core/check.h"

namespace weft {

TextFront::TextFront(std::unique_ptr<Tokenizer> tokenizer) : tokenizer_(std::move(tokenizer)) {
  if (tokenizer_) chats_.emplace(*tokenizer_);
}

const Tokenizer& TextFront::need_tokenizer() const {
  if (!tokenizer_) bad_input("this model has no tokenizer; send token_ids");
  return *tokenizer_;
}

std::vector<int32_t> TextFront::encode(const std::string& text, int64_t max_tokens) const {
  if (text.empty()) bad_input("the prompt is empty; it must have at least one character");
  need_tokenizer().check_length(text, max_tokens);
  return need_tokenizer().encode(text, true, true);
}

std::vector<int32_t> TextFront::encode(const Chat& chat, int64_t max_tokens) const {
  need_tokenizer();
  return chats_->encode(chat, max_tokens).ids;
}

std::optional<AnswerText> TextFront::answer(std::span<const int32_t> prompt, const std::vector<std::string>& stop) const {
  if (tokenizer_) return AnswerText(*tokenizer_, prompt, stop);
  if (!stop.empty()) bad_input("stop strings need text, and this model has no tokenizer");
  return std::nullopt;
}

}  // namespace weft
