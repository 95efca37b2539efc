#include "runtime/text/detokenizer.h"

#include "runtime/text/utf8.h"

namespace weft {

Detokenizer::Detokenizer(const Tokenizer& tokenizer, bool skip_special, std::span<const int32_t> before)
    : tokenizer_(&tokenizer), skip_special_(skip_special), strip_(tokenizer.leading_spaces_to_strip()) {
  size_t begin = 0;
  while (begin < before.size() && strip_ > 0) push(before[begin++]);
  // Only the last three bytes can belong to an unfinished character.
  size_t tail = before.size(), bytes = 0;
  while (tail > begin && bytes < 3) bytes += text_of(before[--tail]).size();
  for (const int32_t id : before.subspan(tail)) push(id);
}

std::string_view Detokenizer::text_of(int32_t id) const {
  return skip_special_ && tokenizer_->is_special(id) ? std::string_view() : tokenizer_->token_bytes(id);
}

std::string Detokenizer::push(int32_t id) {
  std::string_view bytes = text_of(id);
  for (; strip_ > 0 && bytes.starts_with(' '); --strip_) bytes.remove_prefix(1);
  if (!bytes.empty()) strip_ = 0;
  pending_ += bytes;
  // All but an unfinished character at the end, which is at most three bytes long.
  size_t complete = 0;
  for (size_t at = 0; at < pending_.size();) {
    const Utf8Char c = utf8_at(pending_, at);
    if (c.status == Utf8Status::truncated) break;
    complete = at += c.length;
  }
  std::string text;
  append_utf8_lossy(text, std::string_view(pending_).substr(0, complete));
  pending_.erase(0, complete);
  return text;
}

std::string Detokenizer::flush() {
  std::string text;
  append_utf8_lossy(text, pending_);
  pending_.clear();
  strip_ = tokenizer_->leading_spaces_to_strip();
  return text;
}

}  // namespace weft
