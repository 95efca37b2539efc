#pragma once
// GPT-2's byte alphabet: every byte as one printable character, so that a vocabulary of bytes can be written
// as text. Printable latin-1 bytes stand for themselves, the other 68 for U+0100 and on (space is "Ġ",
// newline "Ċ"). Source: openai/gpt-2, encoder.py, bytes_to_unicode.
#include <string>
#include <string_view>

namespace weft {

void append_byte_alphabet(std::string& out, std::string_view bytes);

// The inverse. A text with any character outside the alphabet (an added token with a space, say) stands for
// itself.
std::string from_byte_alphabet(std::string_view text);

}  // namespace weft
