// Lines of a given width, as Python's textwrap cuts them.
#include <algorithm>

#include "runtime/text/jinja/filters.h"
#include "runtime/text/jinja/rendering.h"
#include "runtime/text/jinja/unicode.h"

#include <unicode/uchar.h>

namespace weft::jinja {
namespace {

using Characters = std::vector<char32_t>;

bool is_blank(char32_t c) {
  return c < 0x80 && std::string_view("\t\n\v\f\r ").find(static_cast<char>(c)) != std::string_view::npos;
}
bool is_letter(char32_t c) { return is_word(c) && u_charType(static_cast<UChar32>(c)) != U_DECIMAL_DIGIT_NUMBER; }
bool ends_word(char32_t c) {
  return is_word(c) || (c < 0x80 && std::string_view("!\"'&.,?").find(static_cast<char>(c)) != std::string_view::npos);
}

// The pieces that a line may be broken between: white space, words, their hyphenated parts, and dashes between words.
class Chunker {
 public:
  Chunker(const Characters& text, bool on_hyphens) : text_(text), on_hyphens_(on_hyphens) {}

  std::vector<Characters> run() {
    std::vector<Characters> chunks;
    for (size_t at = 0; at < text_.size();) {
      const size_t end = chunk_end(at);
      chunks.emplace_back(text_.begin() + static_cast<std::ptrdiff_t>(at), text_.begin() + static_cast<std::ptrdiff_t>(end));
      at = end;
    }
    return chunks;
  }

 private:
  bool letter_at(size_t i) const { return i < text_.size() && is_letter(text_[i]); }
  bool hyphen_at(size_t i) const { return i < text_.size() && text_[i] == '-'; }

  // Two hyphens or more between words, from `at` on: their end, or 0.
  size_t dash_end(size_t at) const {
    size_t end = at;
    while (hyphen_at(end)) ++end;
    const bool dash = end >= at + 2 && at > 0 && ends_word(text_[at - 1]) && end < text_.size() && is_word(text_[end]);
    return dash ? end : 0;
  }

  // A hyphen at `at` that a word may be broken behind: two letters on either side, hyphens among them allowed.
  bool breaks_behind(size_t at) const {
    if (!hyphen_at(at)) return false;
    const bool before =
        at >= 2 && letter_at(at - 1) && (letter_at(at - 2) || (at >= 3 && hyphen_at(at - 2) && letter_at(at - 3)));
    return before && letter_at(at + 1) && (letter_at(at + 2) || (hyphen_at(at + 2) && letter_at(at + 3)));
  }

  size_t chunk_end(size_t at) const {
    size_t end = at;
    if (is_blank(text_[at])) {
      while (end < text_.size() && is_blank(text_[end])) ++end;
      return end;
    }
    if (on_hyphens_ && dash_end(at) > 0) return dash_end(at);
    for (end = at + 1; end < text_.size() && !is_blank(text_[end]); ++end) {
      if (!on_hyphens_) continue;
      if (breaks_behind(end)) return end + 1;
      if (dash_end(end) > 0) return end;
    }
    return end;
  }

  const Characters& text_;
  bool on_hyphens_;
};

bool all_space(const Characters& chunk) { return std::ranges::all_of(chunk, is_space); }

// How much of a word that fits no line stays on one with this space left.
size_t cut_of(const Characters& word, size_t space, bool on_hyphens) {
  if (on_hyphens && word.size() > space) {
    const auto hyphen = std::find(word.rend() - static_cast<std::ptrdiff_t>(space), word.rend(), U'-');
    const size_t at = hyphen == word.rend() ? 0 : static_cast<size_t>(word.rend() - hyphen) - 1;
    if (at > 0 &&
        std::any_of(word.begin(), word.begin() + static_cast<std::ptrdiff_t>(at), [](char32_t c) { return c != '-'; })) {
      return at + 1;
    }
  }
  return std::min(space, word.size());
}

}  // namespace

std::vector<std::string> wrap_line(std::string_view line, const WrapOptions& options) {
  if (options.width <= 0) fail("the filter 'wordwrap' needs a width above 0, not ", options.width);
  const auto width = static_cast<size_t>(options.width);
  std::vector<Characters> chunks = Chunker(code_points(line), options.break_on_hyphens).run();
  std::ranges::reverse(chunks);
  std::vector<std::string> lines;
  while (!chunks.empty()) {
    spend(1);
    std::vector<Characters> parts;
    size_t size = 0;
    if (!lines.empty() && all_space(chunks.back())) chunks.pop_back();
    while (!chunks.empty() && size + chunks.back().size() <= width) {
      size += chunks.back().size();
      parts.push_back(std::move(chunks.back()));
      chunks.pop_back();
    }
    if (!chunks.empty() && chunks.back().size() > width) {
      Characters& word = chunks.back();
      if (options.break_long_words) {
        const auto end = word.begin() + static_cast<std::ptrdiff_t>(cut_of(word, width - size, options.break_on_hyphens));
        spend(word.size() / 16);
        parts.emplace_back(word.begin(), end);
        word.erase(word.begin(), end);
      } else if (parts.empty()) {
        parts.push_back(std::move(word));
        chunks.pop_back();
      }
    }
    if (!parts.empty() && all_space(parts.back())) parts.pop_back();
    if (parts.empty()) continue;
    std::string text;
    for (const Characters& part : parts) text += to_utf8(part);
    lines.push_back(std::move(text));
  }
  return lines;
}

}  // namespace weft::jinja
