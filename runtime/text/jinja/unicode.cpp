#include "runtime/text/jinja/unicode.h"

#include <unicode/locid.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>

#include "runtime/text/utf8.h"

namespace weft::jinja {
namespace {

icu::UnicodeString from_utf8(std::string_view text) {
  return icu::UnicodeString::fromUTF8(icu::StringPiece(text.data(), static_cast<int32_t>(text.size())));
}

std::string from_icu(const icu::UnicodeString& text) {
  std::string out;
  return text.toUTF8String(out);
}

bool is_lower(char32_t c) { return u_hasBinaryProperty(c, UCHAR_LOWERCASE); }
bool is_upper(char32_t c) { return u_hasBinaryProperty(c, UCHAR_UPPERCASE); }
bool is_title(char32_t c) { return u_charType(c) == U_TITLECASE_LETTER; }
bool is_cased(char32_t c) { return is_lower(c) || is_upper(c) || is_title(c); }
bool is_alpha(char32_t c) { return (U_GET_GC_MASK(c) & U_GC_L_MASK) != 0; }
int numeric_type(char32_t c) { return u_getIntPropertyValue(c, UCHAR_NUMERIC_TYPE); }
bool is_numeric(char32_t c) { return numeric_type(c) != U_NT_NONE; }
bool is_decimal(char32_t c) { return numeric_type(c) == U_NT_DECIMAL; }
bool is_digit(char32_t c) { return is_decimal(c) || numeric_type(c) == U_NT_DIGIT; }

// islower() and isupper(): no cased character of the other kind, and at least one of this.
bool all_cased(const std::vector<char32_t>& text, bool (*wanted)(char32_t)) {
  return std::ranges::all_of(text, [&](char32_t c) { return !is_cased(c) || wanted(c); }) &&
         std::ranges::any_of(text, wanted);
}

bool all_titled(const std::vector<char32_t>& text) {
  bool inside = false, any = false;
  for (const char32_t c : text) {
    if (is_upper(c) || is_title(c)) {
      if (inside) return false;
      inside = any = true;
    } else if (is_lower(c)) {
      if (!inside) return false;
    } else {
      inside = false;
    }
  }
  return any;
}

bool is_identifier(const std::vector<char32_t>& text) {
  const auto continues = [](char32_t c) { return c == '_' || u_hasBinaryProperty(c, UCHAR_XID_CONTINUE); };
  const bool begins = !text.empty() && (text[0] == '_' || u_hasBinaryProperty(text[0], UCHAR_XID_START));
  return begins && std::all_of(text.begin() + 1, text.end(), continues);
}

}  // namespace

std::vector<std::string_view> characters(std::string_view text) {
  std::vector<std::string_view> result;
  for (size_t at = 0; at < text.size(); at += result.back().size()) {
    result.push_back(text.substr(at, utf8_at(text, at).length));
  }
  return result;
}

std::vector<char32_t> code_points(std::string_view text) {
  std::vector<char32_t> result;
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = utf8_at(text, at);
    result.push_back(c.value);
    at += c.length;
  }
  return result;
}

std::string to_utf8(const std::vector<char32_t>& text) {
  std::string out;
  for (const char32_t c : text) append_utf8(out, c);
  return out;
}

bool is_space(char32_t c) { return u_isUWhiteSpace(c) || (c >= 0x1C && c <= 0x1F); }

bool is_word(char32_t c) { return c == '_' || is_alpha(c) || is_numeric(c); }

bool is_printable(char32_t c) { return c == ' ' || (U_GET_GC_MASK(c) & (U_GC_C_MASK | U_GC_Z_MASK)) == 0; }

std::string_view strip(std::string_view text, const std::string* chars, bool left, bool right) {
  const auto drop = [&](std::string_view c) {
    return chars == nullptr ? is_space(utf8_at(c, 0).value) : chars->find(c) != chars->npos;
  };
  size_t begin = 0, end = text.size();
  while (left && begin < end) {
    const size_t length = utf8_at(text, begin).length;
    if (!drop(text.substr(begin, length))) break;
    begin += length;
  }
  while (right && end > begin) {
    size_t last = end - 1;
    while ((text[last] & 0xC0) == 0x80) --last;
    if (!drop(text.substr(last, end - last))) break;
    end = last;
  }
  return text.substr(begin, end - begin);
}

std::vector<std::string_view> split_at_space(std::string_view text) {
  std::vector<std::string_view> words;
  size_t begin = std::string_view::npos;
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = utf8_at(text, at);
    if (!is_space(c.value)) {
      begin = std::min(begin, at);
    } else if (begin != text.npos) {
      words.push_back(text.substr(begin, at - begin));
      begin = text.npos;
    }
    at += c.length;
  }
  if (begin != text.npos) words.push_back(text.substr(begin));
  return words;
}

std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends) {
  static constexpr char32_t ends[] = {'\n', '\r', 0x0B, 0x0C, 0x1C, 0x1D, 0x1E, 0x85, 0x2028, 0x2029};
  std::vector<std::string_view> lines;
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = utf8_at(text, at);
    size_t next = at + c.length;
    if (std::ranges::find(ends, c.value) != std::end(ends)) {
      if (c.value == '\r' && next < text.size() && text[next] == '\n') ++next;
      lines.push_back(text.substr(begin, (keep_ends ? next : at) - begin));
      begin = next;
    }
    at = next;
  }
  if (begin < text.size()) lines.push_back(text.substr(begin));
  return lines;
}

std::string to_upper(std::string_view text) { return from_icu(from_utf8(text).toUpper(icu::Locale::getRoot())); }
std::string to_lower(std::string_view text) { return from_icu(from_utf8(text).toLower(icu::Locale::getRoot())); }
std::string fold_case(std::string_view text) { return from_icu(from_utf8(text).foldCase()); }

std::string to_title(char32_t c) {
  // Alone, a character is a word of one letter; what is no letter stays.
  return from_icu(icu::UnicodeString(static_cast<UChar32>(c)).toTitle(nullptr, icu::Locale::getRoot()));
}

std::string swap_case(std::string_view text) {
  const std::vector<char32_t> all = code_points(text);
  std::string out;
  for (size_t i = 0; i < all.size(); ++i) {
    const std::string c = to_utf8({all[i]});
    // A capital sigma becomes another letter at the end of a word.
    const bool ends = i > 0 && is_cased(all[i - 1]) && (i + 1 == all.size() || !is_cased(all[i + 1]));
    out += all[i] == U'Σ' && ends ? "ς" : is_upper(all[i]) ? to_lower(c) : is_lower(all[i]) ? to_upper(c) : c;
  }
  return out;
}

std::string title_words(std::string_view text) {
  std::string out;
  size_t word = 0;  // where the cased letters before this place begin
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = utf8_at(text, at);
    at += c.length;
    if (is_cased(c.value) && at < text.size()) continue;
    const size_t end = is_cased(c.value) ? at : at - static_cast<size_t>(c.length);
    out += capitalize(text.substr(word, end - word));
    out += text.substr(end, at - end);
    word = at;
  }
  return out;
}

std::string capitalize(std::string_view text) {
  if (text.empty()) return {};
  const Utf8Char first = utf8_at(text, 0);
  // All of it is lowered together: a sigma at the end has a form of its own.
  return to_title(first.value) + to_lower(text).substr(to_lower(text.substr(0, first.length)).size());
}

bool text_is(std::string_view method, std::string_view text) {
  const std::vector<char32_t> all = code_points(text);
  const auto every = [&](auto is) { return !all.empty() && std::ranges::all_of(all, is); };
  if (method == "isalpha") return every(is_alpha);
  if (method == "isalnum") return every([](char32_t c) { return is_alpha(c) || is_numeric(c); });
  if (method == "isdecimal") return every(is_decimal);
  if (method == "isdigit") return every(is_digit);
  if (method == "isnumeric") return every(is_numeric);
  if (method == "isspace") return every(is_space);
  if (method == "islower") return all_cased(all, is_lower);
  if (method == "isupper") return all_cased(all, is_upper);
  if (method == "istitle") return all_titled(all);
  if (method == "isidentifier") return is_identifier(all);
  if (method == "isprintable") return std::ranges::all_of(all, is_printable);
  return std::ranges::all_of(all, [](char32_t c) { return c < 0x80; });  // isascii
}

}  // namespace weft::jinja
