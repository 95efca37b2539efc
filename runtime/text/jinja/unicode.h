#pragma once
// Characters as Python sees them. Texts are UTF-8; places and lengths in them are counted in characters.
#include <string>
#include <string_view>
#include <vector>

namespace weft::jinja {

std::vector<std::string_view> characters(std::string_view text);
std::vector<char32_t> code_points(std::string_view text);
std::string to_utf8(const std::vector<char32_t>& text);

bool is_space(char32_t c);      // str.isspace()
bool is_word(char32_t c);       // \w of regular expressions
bool is_printable(char32_t c);  // str.isprintable()

// chars: what is dropped; null stands for white space.
std::string_view strip(std::string_view text, const std::string* chars, bool left, bool right);
std::vector<std::string_view> split_at_space(std::string_view text);
// str.splitlines()
std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends);

std::string to_upper(std::string_view text);
std::string to_lower(std::string_view text);
std::string to_title(char32_t c);
std::string fold_case(std::string_view text);
std::string swap_case(std::string_view text);
std::string title_words(std::string_view text);  // str.title()
std::string capitalize(std::string_view text);

// str.isalpha() and its like, by the name of the method.
bool text_is(std::string_view method, std::string_view text);

}  // namespace weft::jinja
