#include "runtime/text/added_tokens.h"

#include <unicode/uchar.h>

#include <algorithm>

#include "kernels/core/check.h"
#include "runtime/text/utf8.h"

namespace weft {
namespace {

// \w of the Rust crate `regex`, as Hugging Face uses it: Unicode technical standard 18, annex C.
bool is_word(char32_t c) {
  return u_hasBinaryProperty(c, UCHAR_ALPHABETIC) || u_hasBinaryProperty(c, UCHAR_JOIN_CONTROL) ||
         (U_GET_GC_MASK(c) & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) != 0;
}

size_t character_before(std::string_view text, size_t end) {
  do --end;
  while ((text[end] & 0xC0) == 0x80);
  return end;
}

bool inside_word(std::string_view text, size_t begin, size_t end) {
  return (begin > 0 && is_word(utf8_at(text, character_before(text, begin)).value)) ||
         (end < text.size() && is_word(utf8_at(text, end).value));
}

}  // namespace

AddedTokenFinder::AddedTokenFinder(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::ranges::sort(tokens_, {}, &AddedToken::content);
  for (const AddedToken& token : tokens_) {
    WEFT_CHECK(!token.content.empty(), "added token ", token.id);
    begins_token_[static_cast<unsigned char>(token.content[0])] = true;
  }
}

// The longest token that text begins with. The tokens that share a text's first n bytes are neighbours in the
// sorted list, and the shortest of them comes first: the range narrows byte by byte.
const AddedToken* AddedTokenFinder::longest_at(std::string_view text) const {
  const AddedToken* longest = nullptr;
  auto first = tokens_.begin(), last = tokens_.end();
  for (size_t n = 0; n < text.size(); ++n) {
    const unsigned char byte = text[n];
    const auto byte_at_n = [n](const AddedToken& token) { return static_cast<unsigned char>(token.content[n]); };
    const auto same = std::ranges::equal_range(first, last, byte, {}, byte_at_n);
    first = same.begin();
    last = same.end();
    if (first == last) break;
    if (first->content.size() == n + 1) longest = &*first++;
  }
  return longest;
}

std::vector<AddedTokenFinder::Segment> AddedTokenFinder::split(std::string_view text, bool parse_special,
                                                               std::span<const TextRange> literal) const {
  std::vector<Segment> segments;
  size_t done = 0;
  for (size_t at = 0; at < text.size();) {
    const AddedToken* token = begins_token_[static_cast<unsigned char>(text[at])] ? longest_at(text.substr(at)) : nullptr;
    if (token == nullptr) {
      ++at;
      continue;
    }
    size_t begin = at, end = at + token->content.size();
    while (!literal.empty() && literal.front().end <= begin) literal = literal.subspan(1);
    if (!literal.empty() && literal.front().begin < end) {
      ++at;
      continue;
    }
    at = end;
    if (token->special && !parse_special) continue;
    if (token->single_word && inside_word(text, begin, end)) continue;
    if (token->lstrip) {
      while (begin > done && u_isUWhiteSpace(utf8_at(text, character_before(text, begin)).value)) {
        begin = character_before(text, begin);
      }
      begin = std::max(begin, done);
    }
    if (token->rstrip) {
      while (end < text.size() && u_isUWhiteSpace(utf8_at(text, end).value)) end += utf8_at(text, end).length;
    }
    // The token before may have taken this one as its white space. As in Hugging Face, this one counts too, and so does the
    // white space behind it; unless it takes white space on its left, of which none is left.
    if (begin >= end) continue;
    if (begin > done) segments.push_back({done, begin, kNoToken});
    segments.push_back({begin, end, token->id});
    done = end;
  }
  if (done < text.size()) segments.push_back({done, text.size(), kNoToken});
  return segments;
}

}  // namespace weft
