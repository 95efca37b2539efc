#pragma once
// Keeps special tokens that a chat's texts spell out ("<|im_end|>" in a user's message) apart from those that its template
// writes. Before rendering, every such token in the chat's texts is put between two marks, random numbers that occur nowhere
// in the chat. What the template makes of the texts carries the marks along; in the prompt they tell which tokens are text,
// and are taken out.
//
// Marks sit next to special tokens only, so that trimming, comparing, splitting and printing as JSON or Python give what they
// give without, and digits survive every way of escaping. A mark that lost its token (a template may split a text at it) still
// keeps what is left and right of it from joining into a token, and so do marks at the ends of texts that begin or end with
// part of a token.
//
// What this cannot see: tokens that a template builds around a text ('<|' ~ message.role ~ '|>': a role is the caller's own
// word), makes by changing letters (`lower`), or cuts out of a text by counting characters; and tokens that the tokenizer's normalizer
// makes of another spelling.
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/text/added_tokens.h"
#include "runtime/text/chat.h"

namespace weft {

class SpecialText {
 public:
  // For one chat. tokens: the tokenizer's. Special ones are kept apart everywhere; of the others those that the template's
  // source contains (<think>, <|User|>), outside of messages of the assistant, which templates take to pieces at them.
  SpecialText(std::span<const AddedToken> tokens, std::string_view template_source, const Chat& chat);

  Chat mark(Chat chat) const;

  struct Prompt {
    std::string text;
    std::vector<TextRange> literal;  // as Tokenizer::encode takes it
  };
  Prompt unmark(std::string_view rendered) const;

 private:
  // Tokens to keep apart.
  struct Guard {
    explicit Guard(std::vector<AddedToken> tokens);
    bool begins_with_end_of_token(std::string_view text) const;
    bool ends_with_begin_of_token(std::string_view text) const;

    AddedTokenFinder finder;
    std::vector<std::string> contents, reversed;  // of the tokens, sorted
    size_t longest = 0;                           // of the contents, bytes
  };

  void mark(Chat::Json& json, const Guard& guard) const;
  std::string mark(std::string_view text, const Guard& guard) const;

  Guard special_, all_;
  std::string open_, close_;
};

}  // namespace weft
