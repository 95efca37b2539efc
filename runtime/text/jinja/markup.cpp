#include "runtime/text/jinja/markup.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <map>

#include "runtime/text/jinja/rendering.h"
#include "runtime/text/jinja/repr.h"
#include "runtime/text/jinja/unicode.h"
#include "runtime/text/utf8.h"

namespace weft::jinja {
namespace {

// The names that escaping gives, and the few others that are written by hand. HTML has 2,231; one that is not known fails
// rather than staying as it is.
char32_t named_entity(std::string_view name) {
  static const std::map<std::string_view, char32_t> names = {
      {"amp", '&'},      {"lt", '<'},        {"gt", '>'},       {"quot", '"'},     {"apos", '\''},    {"nbsp", 0xA0},
      {"copy", 0xA9},    {"reg", 0xAE},      {"laquo", 0xAB},   {"raquo", 0xBB},   {"middot", 0xB7},  {"times", 0xD7},
      {"ndash", 0x2013}, {"mdash", 0x2014},  {"lsquo", 0x2018}, {"rsquo", 0x2019}, {"ldquo", 0x201C}, {"rdquo", 0x201D},
      {"bull", 0x2022},  {"hellip", 0x2026}, {"euro", 0x20AC},  {"trade", 0x2122}};
  const auto found = names.find(name);
  if (found == names.end()) fail("the filter 'striptags' does not know the HTML entity '&", name, ";'");
  return found->second;
}

std::string unescape_html(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t begin = std::min(text.find('&'), text.size());
    out += text.substr(0, begin);
    text.remove_prefix(begin);
    const size_t end = text.find(';');
    const std::string_view name = text.substr(std::min<size_t>(text.size(), 1), end == text.npos ? 0 : end - 1);
    if (name.starts_with('#')) {
      const bool hex = name.size() > 1 && (name[1] | 0x20) == 'x';
      const std::string_view digits = name.substr(hex ? 2 : 1);
      uint32_t value = 0;
      const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, hex ? 16 : 10);
      if (!digits.empty() && stop == digits.data() + digits.size()) {
        if (value < 0x20 || (value >= 0x7F && value < 0xA0) || (value >= 0xD800 && value < 0xE000) || value > 0x10FFFF) {
          fail("the filter 'striptags' does not know the HTML entity '&", name, ";'");
        }
        append_utf8(out, value);
        text.remove_prefix(end + 1);
        continue;
      }
    } else if (!name.empty() && name.size() < 32 &&
               std::ranges::all_of(name, [](unsigned char c) { return std::isalnum(c); })) {
      append_utf8(out, named_entity(name));
      text.remove_prefix(end + 1);
      continue;
    }
    if (!text.empty()) {
      out += text[0];
      text.remove_prefix(1);
    }
  }
  return out;
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '\'': out += "&#39;"; break;
      case '"': out += "&#34;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string escaped(const Value& value) { return value.is_safe() ? value.text()->bytes : escape_html(to_text(value)); }

std::string strip_tags(std::string_view html) {
  std::string text;
  while (!html.empty()) {
    const size_t begin = std::min(html.find('<'), html.size());
    const bool comment = html.substr(begin).starts_with("<!--");
    const std::string_view closing = comment ? "-->" : ">";
    const size_t end = begin == html.size() ? html.npos : html.find(closing, begin + (comment ? 4 : 0));
    if (end == html.npos) break;
    text += html.substr(0, begin);
    html.remove_prefix(end + closing.size());
  }
  text += html;
  std::string words;
  for (const std::string_view word : split_at_space(text)) words.append(words.empty() ? "" : " ").append(word);
  return unescape_html(words);
}

}  // namespace weft::jinja
