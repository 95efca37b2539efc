#pragma once
// Chats to token ids: template, special tokens, tokenizer.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/text/chat_template.h"
#include "runtime/text/tokenizer.h"

namespace weft {

// Immutable: any number of threads may share one.
class ChatEncoder {
 public:
  explicit ChatEncoder(const Tokenizer& tokenizer);  // which must outlive it

  struct Prompt {
    std::string text;
    std::vector<int32_t> ids;
  };
  // Refuses what ChatTemplate::render refuses, and a prompt too long to be max_tokens tokens.
  Prompt encode(const Chat& chat, std::optional<int64_t> max_tokens = {}) const;

  bool has_template() const { return template_.usable(); }

 private:
  const Tokenizer& tokenizer_;
  ChatTemplate template_;
};

}  // namespace weft
