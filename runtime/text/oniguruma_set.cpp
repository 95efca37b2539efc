#include "runtime/text/oniguruma_set.h"

#include <unicode/uchar.h>
#include <unicode/uniset.h>
#include <unicode/uscript.h>
#include <unicode/ustring.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <vector>

namespace weft {
namespace {

constexpr const char* kWord = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc})";
// Oniguruma looks up a character below U+0100 in a table of its own where \w and \p{Word} stand outside of brackets; there
// these digits belong to words.
constexpr const char* kLatin1Word = R"(\x{B2}\x{B3}\x{B9}\x{BC}-\x{BE})";
constexpr const char* kHexDigit = "0-9A-Fa-f";

std::string normalised(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c != ' ' && c != '_' && c != '-') out.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c);
  }
  return out;
}

const std::map<std::string, CharacterSet, std::less<>>& posix_sets() {
  static const std::map<std::string, CharacterSet, std::less<>> sets = {
      {"alnum", {R"(\p{Alphabetic}\p{Nd})", false, true}},
      {"alpha", {R"(\p{Alphabetic})", false, true}},
      {"ascii", {R"(\x{0}-\x{7F})", false, true}},
      {"blank", {R"(\p{Zs}\x{9})"}},
      {"cntrl", {R"(\p{Cc})"}},
      {"digit", {R"(\p{Nd})"}},
      {"graph", {R"(\p{wspace}\p{Cc}\p{Cs}\p{Cn})", true, true}},
      {"lower", {R"(\p{Lowercase})", false, true}},
      {"print", {R"(\p{Zl}\p{Zp}\p{Cc}\p{Cs}\p{Cn})", true, true}},
      {"punct", {R"(\p{P}\p{S})", false, true}},
      {"space", {R"(\p{wspace})"}},
      {"upper", {R"(\p{Uppercase})", false, true}},
      {"xdigit", {kHexDigit, false, true}},
      {"word", {kWord, false, true}},
  };
  return sets;
}

// Of letters and marks some equal characters of another category when case is ignored; the other categories are closed.
bool folds(std::string_view category) { return category[0] == 'L' || category[0] == 'M'; }

std::optional<CharacterSet> general_category(const std::string& name) {
  const int32_t mask = u_getPropertyValueEnum(UCHAR_GENERAL_CATEGORY_MASK, name.c_str());
  if (mask == UCHAR_INVALID_CODE) return std::nullopt;
  const std::string category = u_getPropertyValueName(UCHAR_GENERAL_CATEGORY_MASK, mask, U_SHORT_PROPERTY_NAME);
  if (category == "LC") return CharacterSet{R"(\p{L&})", false, true};
  return CharacterSet{R"(\p{)" + category + "}", false, folds(category)};
}

std::optional<CharacterSet> script(const std::string& name) {
  const int32_t value = u_getPropertyValueEnum(UCHAR_SCRIPT, name.c_str());
  if (value == UCHAR_INVALID_CODE) return std::nullopt;
  // "sc:": without it PCRE2 counts characters that the script shares with others.
  return CharacterSet{std::string(R"(\p{sc:)") + uscript_getShortName(static_cast<UScriptCode>(value)) + "}", false, true};
}

std::optional<CharacterSet> block(std::string_view name) {
  if (!name.starts_with("in")) return std::nullopt;
  const int32_t value = u_getPropertyValueEnum(UCHAR_BLOCK, std::string(name.substr(2)).c_str());
  if (value == UCHAR_INVALID_CODE) return std::nullopt;
  UErrorCode error = U_ZERO_ERROR;
  icu::UnicodeSet characters;
  characters.applyIntPropertyValue(UCHAR_BLOCK, value, error);
  if (U_FAILURE(error) || characters.isEmpty()) return std::nullopt;
  const auto last = static_cast<char32_t>(characters.getRangeEnd(0));  // a block is one range
  return CharacterSet{escaped(static_cast<char32_t>(characters.getRangeStart(0))) + "-" + escaped(last), false, true};
}

std::optional<CharacterSet> binary_property(const std::string& name) {
  const UProperty property = u_getPropertyEnum(name.c_str());
  if (property < UCHAR_BINARY_START || property >= UCHAR_BINARY_LIMIT) return std::nullopt;
  const char* full = u_getPropertyName(property, U_LONG_PROPERTY_NAME);
  if (full == nullptr) return std::nullopt;
  return CharacterSet{std::string(R"(\p{)") + full + "}", false, true};
}

// Every text that one character folds to, of those that fold to several (Unicode's CaseFolding.txt, status F).
const std::vector<std::pair<char32_t, std::u32string>>& several_folds() {
  static const auto folds = [] {
    std::vector<std::pair<char32_t, std::u32string>> all;
    for (const auto& [begin, end] : {std::pair(0x80, 0x2000), {0xFB00, 0xFB20}}) {  // all of them
      for (UChar32 c = begin; c < end; ++c) {
        UChar from[2], to[8];
        int32_t length = 0;
        U16_APPEND_UNSAFE(from, length, c);
        UErrorCode error = U_ZERO_ERROR;
        const int32_t folded = u_strFoldCase(to, 8, from, length, U_FOLD_CASE_DEFAULT, &error);
        if (U_SUCCESS(error) && folded > 1) all.emplace_back(c, std::u32string(to, to + folded));
      }
    }
    return all;
  }();
  return folds;
}

}  // namespace

std::string escaped(char32_t c) {
  char text[16];
  std::snprintf(text, sizeof text, "\\x{%X}", static_cast<unsigned>(c));
  return text;
}

std::optional<CharacterSet> shorthand_set(char letter) {
  switch (letter) {
    case 'w':
    case 'W': return CharacterSet{kWord, letter == 'W', true};
    case 'd': return CharacterSet{R"(\p{Nd})"};
    case 'D': return CharacterSet{R"(\p{Nd})", true, true};
    case 's': return CharacterSet{R"(\p{wspace})"};  // PCRE2's own \s also holds U+180E
    case 'S': return CharacterSet{R"(\p{wspace})", true, true};
    case 'h': return CharacterSet{kHexDigit, false, true};
    case 'H': return CharacterSet{kHexDigit, true, true};
    default: return std::nullopt;
  }
}

std::optional<CharacterSet> posix_set(std::string_view name) {
  const auto found = posix_sets().find(name);
  return found == posix_sets().end() ? std::nullopt : std::optional(found->second);
}

std::optional<CharacterSet> property_set(std::string_view name) {
  const std::string plain = normalised(name);
  if (plain == "any") return CharacterSet{R"(\x{0}-\x{10FFFF})", false, true};
  if (plain == "assigned") return CharacterSet{R"(\p{Cn})", true, true};
  if (plain == "newline") return CharacterSet{R"(\x{A})"};
  if (plain != "punct") {  // here the category
    if (const auto set = posix_set(plain)) return set;
  }
  if (auto set = general_category(plain)) return set;
  if (auto set = script(plain)) return set;
  if (auto set = block(plain)) return set;
  return binary_property(plain);
}

std::string CharacterSet::as_atom() const {
  return items == kWord ? CharacterSet{items + kLatin1Word, negated}.as_class() : as_class();
}

void SetUnion::add(const CharacterSet& set) {
  if (set.negated)
    add_atom(set.as_class());
  else
    items_ += set.items;
}

void SetUnion::add_range(char32_t first, char32_t last) {
  items_ += escaped(first);
  if (last != first) items_ += "-" + escaped(last);
}

std::string SetUnion::atom(bool negated) const {
  if (atoms_.empty()) return CharacterSet{items_, negated}.as_class();
  std::string choice = items_.empty() ? "" : CharacterSet{items_}.as_class();
  for (const std::string& atom : atoms_) choice += (choice.empty() ? "" : "|") + atom;
  return negated ? "(?:(?!" + choice + ")(?s:.))" : "(?:" + choice + ")";
}

bool folds_to_several(char32_t c) {
  return std::ranges::any_of(several_folds(), [&](const auto& fold) { return fold.first == c; });
}

bool holds_several_folded(std::u32string_view text) {
  std::u32string folded;
  for (const char32_t c : text) folded.push_back(u_foldCase(static_cast<UChar32>(c), U_FOLD_CASE_DEFAULT));
  return std::ranges::any_of(several_folds(), [&](const auto& fold) {
    return text.find(fold.first) != text.npos || folded.find(fold.second) != folded.npos;
  });
}

}  // namespace weft
