#include "runtime/text/pre_tokenizer.h"

#include <algorithm>
#include <tuple>

#include "runtime/text/byte_alphabet.h"

namespace weft {
namespace {

struct Part {
  size_t begin, end;
  bool is_match;
};

// The matches and what lies between them, as ranges of the text that word lies in.
void find_parts(Regex::Matcher& matcher, std::string_view word, size_t offset, bool invert, std::vector<Part>& parts) {
  parts.clear();
  size_t done = 0;
  matcher.start(word);
  for (auto [begin, end] = matcher.next(); begin != std::string::npos; std::tie(begin, end) = matcher.next()) {
    if (begin > done) parts.push_back({offset + done, offset + begin, invert});
    parts.push_back({offset + begin, offset + end, !invert});  // an empty match parts what lies around it
    done = end;
  }
  if (word.size() > done) parts.push_back({offset + done, offset + word.size(), invert});
}

void join_parts(const std::vector<Part>& parts, SplitBehavior behavior, std::vector<Words::Range>& words) {
  const size_t first = words.size();
  for (size_t i = 0; i < parts.size(); ++i) {
    const Part& part = parts[i];
    const bool before_was_match = i > 0 && parts[i - 1].is_match;
    bool join = false;
    switch (behavior) {
      case SplitBehavior::removed:
        if (part.is_match) continue;
        break;
      case SplitBehavior::isolated: break;
      case SplitBehavior::merged_with_previous: join = i > 0 && part.is_match && !before_was_match; break;
      case SplitBehavior::merged_with_next: join = !part.is_match && before_was_match; break;
      case SplitBehavior::contiguous: join = i > 0 && part.is_match == before_was_match; break;
    }
    if (join) {
      words.back().end = part.end;
    } else {
      words.push_back({part.begin, part.end});
    }
  }
  const auto is_empty = [](const Words::Range& word) { return word.begin == word.end; };
  words.erase(std::remove_if(words.begin() + first, words.end(), is_empty), words.end());
}

void apply(const SplitStep& step, Words& words) {
  std::vector<Words::Range> result;
  std::vector<Part> parts;
  Regex::Matcher matcher(step.pattern);
  for (const Words::Range& range : words.ranges) {
    find_parts(matcher, words.at(range), range.begin, step.invert, parts);
    join_parts(parts, step.behavior, result);
  }
  words.ranges = std::move(result);
  if (words.ranges.empty() || words.ranges.front().begin > 0) words.starts_input = false;  // the beginning was dropped
}

// Spells every word anew: spell(word, text) appends it to text.
template <class Spell>
void respell(Words& words, Spell spell) {
  std::string text;
  text.reserve(words.text.size() + words.text.size() / 2);
  for (Words::Range& range : words.ranges) {
    const size_t begin = text.size();
    spell(words.at(range), text);
    range = {begin, text.size()};
  }
  words.text = std::move(text);
}

void apply(const PrefixStep& step, Words& words) {
  bool eligible = words.starts_input || !step.only_at_start;
  respell(words, [&](std::string_view word, std::string& text) {
    if (eligible && !word.starts_with(step.prefix)) text += step.prefix;
    text += word;
    if (step.only_at_start) eligible = false;
  });
}

void apply(const ReplaceSpaceStep& step, Words& words) {
  respell(words, [&](std::string_view word, std::string& text) {
    for (const char c : word) c == ' ' ? text += step.replacement : text += c;
  });
}

void apply(const ByteAlphabetStep&, Words& words) {
  respell(words, [](std::string_view word, std::string& text) { append_byte_alphabet(text, word); });
}

}  // namespace

Words PreTokenizer::split(std::string_view text, bool starts_input) const {
  Words words{std::string(text), {}, starts_input};
  if (!text.empty()) words.ranges.push_back({0, text.size()});
  for (const PreTokenizerStep& step : steps_) {
    std::visit([&](const auto& s) { apply(s, words); }, step);
  }
  return words;
}

}  // namespace weft
