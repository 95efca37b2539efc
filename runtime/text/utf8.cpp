#include "runtime/text/utf8.h"

namespace weft {

Utf8Char utf8_at(std::string_view text, size_t position) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[position + i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {Utf8Status::valid, 1, lead};
  if (lead < 0xC2 || lead > 0xF4) return {Utf8Status::invalid, 1, 0xFFFD};
  const int length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  // Only the second byte has a range of its own: it excludes overlong forms, surrogates and values above
  // U+10FFFF.
  unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  char32_t value = lead & (0x7F >> length);
  for (int i = 1; i < length; ++i, low = 0x80, high = 0xBF) {
    if (position + i >= text.size()) return {Utf8Status::truncated, i, 0xFFFD};
    if (byte(i) < low || byte(i) > high) return {Utf8Status::invalid, i, 0xFFFD};
    value = (value << 6) | (byte(i) & 0x3F);
  }
  return {Utf8Status::valid, length, value};
}

size_t find_invalid_utf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = utf8_at(text, at);
    if (c.status != Utf8Status::valid) return at;
    at += c.length;
  }
  return std::string_view::npos;
}

void append_utf8(std::string& out, char32_t value) {
  const auto put = [&](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (value < 0x80) {
    put(value);
  } else if (value < 0x800) {
    put(0xC0 | (value >> 6));
    put(0x80 | (value & 0x3F));
  } else if (value < 0x10000) {
    put(0xE0 | (value >> 12));
    put(0x80 | ((value >> 6) & 0x3F));
    put(0x80 | (value & 0x3F));
  } else {
    put(0xF0 | (value >> 18));
    put(0x80 | ((value >> 12) & 0x3F));
    put(0x80 | ((value >> 6) & 0x3F));
    put(0x80 | (value & 0x3F));
  }
}

void append_utf8_lossy(std::string& out, std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = utf8_at(text, at);
    out += c.status == Utf8Status::valid ? text.substr(at, c.length) : kReplacementCharacter;
    at += c.length;
  }
}

}  // namespace weft
