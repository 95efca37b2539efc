#include "runtime/text/byte_alphabet.h"

#include <array>

#include "runtime/text/utf8.h"

namespace weft {
namespace {

constexpr int kFirstShifted = 0x100;
constexpr int kShiftedCount = 68;

constexpr bool stands_for_itself(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

struct Alphabet {
  std::array<char32_t, 256> character{};
  std::array<int, kFirstShifted + kShiftedCount> byte{};  // -1: not in the alphabet
};

constexpr Alphabet make_alphabet() {
  Alphabet alphabet;
  for (int& byte : alphabet.byte) byte = -1;
  int shifted = kFirstShifted;
  for (int byte = 0; byte < 256; ++byte) {
    alphabet.character[byte] = stands_for_itself(byte) ? byte : shifted++;
    alphabet.byte[alphabet.character[byte]] = byte;
  }
  return alphabet;
}

constexpr Alphabet kAlphabet = make_alphabet();

}  // namespace

void append_byte_alphabet(std::string& out, std::string_view bytes) {
  for (const char c : bytes) append_utf8(out, kAlphabet.character[static_cast<unsigned char>(c)]);
}

std::string from_byte_alphabet(std::string_view text) {
  std::string bytes;
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = utf8_at(text, at);
    const int byte = c.value < kAlphabet.byte.size() ? kAlphabet.byte[c.value] : -1;
    if (byte < 0) return std::string(text);
    bytes.push_back(static_cast<char>(byte));
    at += c.length;
  }
  return bytes;
}

}  // namespace weft
