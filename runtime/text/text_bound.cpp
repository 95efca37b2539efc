#include "runtime/text/text_bound.h"

#include <algorithm>
#include <cstdio>
#include <string>

#include "runtime/text/byte_alphabet.h"
#include "runtime/text/tokenizer_parts.h"

namespace weft {
namespace {

// Measured over all characters of Unicode 14 and their decompositions: NFC makes a text at most 3.5 times shorter (U+1FBE U+0308
// U+0341 to U+0390), NFD 3 times (U+1FEF to U+0060), NFKC and NFKD 4 times (U+1D433 to z), small letters 3 times (U+212A to k).
constexpr size_t unicode_form_shrinks = 4, lowercase_shrinks = 3;
constexpr size_t longest_character = 4;  // bytes in UTF-8

size_t shrinks(const UnicodeForm&) { return unicode_form_shrinks; }
size_t shrinks(const Lowercase&) { return lowercase_shrinks; }
size_t shrinks(const Strip&) { return TextBound::none; }
size_t shrinks(const Prepend&) { return 1; }
size_t shrinks(const Replace& step) {
  const auto literal = step.pattern.literal_bytes();
  if (!literal || step.content.empty()) return TextBound::none;
  return std::max<size_t>(1, (*literal + step.content.size() - 1) / step.content.size());
}

bool drops_text(const PreTokenizerStep& step) {
  if (const auto* split = std::get_if<SplitStep>(&step)) return split->behavior == SplitBehavior::removed;
  if (const auto* space = std::get_if<ReplaceSpaceStep>(&step)) return space->replacement.empty();
  return false;
}

bool spells_bytes(const PreTokenizer& pre_tokenizer) {
  return std::ranges::any_of(pre_tokenizer.steps(),
                             [](const PreTokenizerStep& step) { return std::holds_alternative<ByteAlphabetStep>(step); });
}

// These never occur in UTF-8.
bool occurs(int byte) { return byte != 0xc0 && byte != 0xc1 && byte < 0xf5; }

std::string in_byte_alphabet(int byte) {
  std::string piece;
  append_byte_alphabet(piece, std::string(1, static_cast<char>(byte)));
  return piece;
}

std::string byte_token(int byte) {
  char piece[8];
  std::snprintf(piece, sizeof piece, "<0x%02X>", byte);
  return piece;
}

// Bytes that become tokens, or parts of tokens, whatever stands around them.
std::array<bool, 256> counted_bytes(const TokenizerParts& parts) {
  const Vocabulary& vocabulary = parts.bpe.vocabulary();
  const BpeOptions& options = parts.bpe.options();
  std::array<bool, 256> counted;
  counted.fill(options.unk != kNoToken && !options.fuse_unk);  // an unknown character is a token
  for (int byte = 0; byte < 256; ++byte) {
    if (spells_bytes(parts.pre_tokenizer)) counted[byte] |= vocabulary.find(in_byte_alphabet(byte)) != kNoToken;
    if (options.byte_fallback) counted[byte] |= vocabulary.find(byte_token(byte)) != kNoToken;
  }
  return counted;
}

size_t longest_token(const TokenizerParts& parts) {
  const Vocabulary& vocabulary = parts.bpe.vocabulary();
  const bool bytes = spells_bytes(parts.pre_tokenizer);
  size_t longest = longest_character;
  for (int32_t id = 0; id < vocabulary.size(); ++id) {
    const std::string_view piece = vocabulary.piece(id);
    if (piece.size() > longest) longest = std::max(longest, bytes ? from_byte_alphabet(piece).size() : piece.size());
  }
  for (const AddedToken& token : parts.added_tokens) longest = std::max(longest, token.content.size());
  return longest;
}

}  // namespace

bool TextBound::exceeds(std::string_view text, size_t tokens) const {
  if (text.size() / bytes_per_token <= tokens) return false;
  const auto bytes = std::ranges::count_if(text, [&](char c) { return counted[static_cast<unsigned char>(c)]; });
  return static_cast<size_t>(bytes) / bytes_per_token > tokens;
}

TextBound text_bound(const TokenizerParts& parts) {
  const TextBound no_bound;
  TextBound bound{.bytes_per_token = longest_token(parts), .counted = counted_bytes(parts)};
  const auto strips = [](const AddedToken& token) { return token.lstrip || token.rstrip; };
  if (std::ranges::any_of(parts.added_tokens, strips) || std::ranges::any_of(parts.pre_tokenizer.steps(), drops_text))
    return no_bound;
  for (const NormalizerStep& step : parts.normalizer) {
    const size_t factor = std::visit([](const auto& s) { return shrinks(s); }, step);
    if (factor > TextBound::none / bound.bytes_per_token) return no_bound;
    bound.bytes_per_token *= factor;
  }
  // Bytes of a fallback are dropped or kept together with their character, and a normalizer may change them.
  const bool bytes_alone = spells_bytes(parts.pre_tokenizer) && parts.normalizer.empty();
  for (int byte = 0; byte < 256; ++byte)
    if (occurs(byte) && !bound.counted[byte] && !bytes_alone) return no_bound;
  return bound;
}

}  // namespace weft
