#include "runtime/serve/text_front.h"

#include "kernels/core/check.h"

namespace weft {

TextFront::TextFront(std::unique_ptr<Tokenizer> tokenizer) : tokenizer_(std::move(tokenizer)) {
  if (!tokenizer_ || tokenizer_->chat_template().empty()) {
    template_error_ = "this model has no chat template; send text or token_ids";
    return;
  }
  try {
    template_.emplace(tokenizer_->chat_template());
  } catch (const InputError& e) {
    template_error_ = cat("this model's chat template is not supported: ", e.what());
  }
}

const Tokenizer& TextFront::need_tokenizer() const {
  if (!tokenizer_) bad_input("this model has no tokenizer; send token_ids");
  return *tokenizer_;
}

std::string TextFront::piece(std::optional<int32_t> id) const { return id ? std::string(tokenizer_->id_to_piece(*id)) : ""; }

std::vector<int32_t> TextFront::encode(const std::string& text, int64_t max_tokens) const {
  if (text.empty()) bad_input("the prompt is empty; it must have at least one character");
  need_tokenizer().check_length(text, max_tokens);
  return need_tokenizer().encode(text, true, true);
}

std::vector<int32_t> TextFront::encode(const std::vector<ChatMessage>& messages, int64_t max_tokens) const {
  const Tokenizer& tokenizer = need_tokenizer();
  if (!template_) throw InputError(template_error_);
  if (messages.empty()) bad_input("the chat has no messages; it must have at least one");
  const std::string text = template_->apply(messages, true, piece(tokenizer.bos_id()), piece(tokenizer.eos_id()));
  tokenizer.check_length(text, max_tokens);
  return tokenizer.encode(text, false, true);
}

}  // namespace weft
