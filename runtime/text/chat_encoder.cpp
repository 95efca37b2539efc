#include "runtime/text/chat_encoder.h"

#include "runtime/text/special_text.h"

namespace weft {

ChatEncoder::ChatEncoder(const Tokenizer& tokenizer) : tokenizer_(tokenizer), template_(tokenizer.chat_format()) {}

ChatEncoder::Prompt ChatEncoder::encode(const Chat& chat, std::optional<int64_t> max_tokens) const {
  SpecialText::Prompt prompt;
  if (chat.special_tokens_as_text) {
    const SpecialText special(tokenizer_.added_tokens(), template_.source(chat), chat);
    prompt = special.unmark(template_.render(special.mark(chat)));
  } else {
    prompt.text = template_.render(chat);
  }
  if (max_tokens) tokenizer_.check_length(prompt.text, *max_tokens);
  std::vector<int32_t> ids = tokenizer_.encode(prompt.text, false, true, prompt.literal);
  return {std::move(prompt.text), std::move(ids)};
}

}  // namespace weft
