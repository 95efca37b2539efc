#include "runtime/text/detokenizer.h"

#include <algorithm>
#include <utility>

#include "kernels/core/check.h"
#include "runtime/text/utf8.h"

namespace weft {

Detokenizer::Detokenizer(const Tokenizer& tokenizer, bool skip_special)
    : tokenizer_(&tokenizer), skip_special_(skip_special), strip_(tokenizer.leading_spaces_to_strip()) {}

std::string Detokenizer::push(int32_t id) {
  if (skip_special_ && tokenizer_->is_special(id)) return {};
  std::string_view bytes = tokenizer_->token_bytes(id);
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

StopStrings::StopStrings(std::vector<std::string> stops) : stops_(std::move(stops)) {
  if (std::ranges::count(stops_, std::string()) != 0)
    bad_input("a stop string is empty; it must have at least one character");
}

std::string StopStrings::push(std::string_view text) {
  if (stopped_) return {};
  // No stop string ends in what was held before, so a match must end in the new text: search from where it
  // can begin.
  held_ += text;
  size_t first = std::string::npos, first_end = std::string::npos;
  for (const std::string& stop : stops_) {
    const size_t at = held_.find(stop);
    if (at == std::string::npos) continue;
    const size_t end = at + stop.size();
    if (end < first_end || (end == first_end && at < first)) {
      first = at;
      first_end = end;
      matched_ = stop;
    }
  }
  if (first != std::string::npos) {
    stopped_ = true;
    return std::exchange(held_, {}).substr(0, first);
  }
  // Hold back the longest end of the text that begins a stop string.
  size_t hold = 0;
  for (const std::string& stop : stops_) {
    for (size_t n = std::min(stop.size() - 1, held_.size()); n > hold; --n) {
      if (held_.compare(held_.size() - n, n, stop, 0, n) == 0) hold = n;
    }
  }
  std::string safe = held_.substr(0, held_.size() - hold);
  held_.erase(0, safe.size());
  return safe;
}

std::string StopStrings::flush() { return std::exchange(held_, {}); }

}  // namespace weft
