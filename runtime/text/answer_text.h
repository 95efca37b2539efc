#pragma once
// The text of an answer while it is generated: decoded behind its prompt, without special tokens, up to the first stop
// string.
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/text/detokenizer.h"
#include "runtime/text/stop_strings.h"

namespace weft {

class AnswerText {
 public:
  // The tokenizer must outlive this; the prompt is read now only.
  AnswerText(const Tokenizer& tokenizer, std::span<const int32_t> prompt, std::vector<std::string> stops)
      : tokenizer_(&tokenizer), detokenizer_(tokenizer, true, prompt), stops_(std::move(stops)) {}

  // What can be shown since the token before.
  std::string push(int32_t id) {
    return tokenizer_->is_special(id) ? stops_.push_special(tokenizer_->id_to_piece(id))
                                      : stops_.push(detokenizer_.push(id));
  }
  std::string finish() {
    const std::string text = stops_.push(detokenizer_.flush());
    return text + stops_.flush();
  }

  bool stopped() const { return stops_.stopped(); }
  const std::string& stop_string() const { return stops_.matched(); }  // what stopped it; empty before

 private:
  const Tokenizer* tokenizer_;
  Detokenizer detokenizer_;
  StopStrings stops_;
};

}  // namespace weft
