#pragma once
// A place in an Oniguruma pattern, and the parts that stand inside and outside of classes alike.
#include <optional>
#include <string>
#include <string_view>

#include "runtime/text/oniguruma_set.h"

namespace weft {

class PatternReader {
 public:
  explicit PatternReader(std::string_view pattern) : pattern_(pattern) {}

  // Throws InputError that names the pattern.
  [[noreturn]] void refuse(std::string_view what) const;

  bool at_end() const { return at_ == pattern_.size(); }
  char peek() const { return at_end() ? '\0' : pattern_[at_]; }
  bool next_is(std::string_view text) const { return pattern_.substr(at_).starts_with(text); }
  bool take(std::string_view text);
  char32_t take_character();                          // refuses the end
  std::string_view take_until(std::string_view end);  // takes `end`, too
  std::string_view rest() const { return pattern_.substr(at_); }
  size_t place() const { return at_; }
  void go_back(size_t place) { at_ = place; }

  // The character that \n, \x{...} and the like stand for, what follows the backslash being c and taken.
  std::optional<char32_t> coded_character(char32_t c);
  // What follows \p or \P (negated).
  CharacterSet property(bool negated);

 private:
  char32_t number(size_t least, size_t most, int base);
  char32_t braced_number(int base);
  char32_t one_byte(char32_t value) const;

  std::string_view pattern_;
  size_t at_ = 0;
};

// What follows a '[', as one PCRE2 atom (oniguruma_class.cpp).
std::string translate_class(PatternReader& in, bool ignore_case);

}  // namespace weft
