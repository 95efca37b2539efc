#pragma once
// Sets of characters as Oniguruma names them and PCRE2 writes them.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

// What stands between the brackets of a PCRE2 class; negated: everything else.
struct CharacterSet {
  std::string items;
  bool negated = false;
  bool folds = false;  // ignoring case changes it

  std::string as_class() const { return (negated ? "[^" : "[") + items + "]"; }
  std::string as_atom() const;  // where it does not stand in brackets
};

// \w, \d, \s, \h and their opposites, by their letter.
std::optional<CharacterSet> shorthand_set(char letter);
// [:name:]
std::optional<CharacterSet> posix_set(std::string_view name);
// \p{name}: POSIX names, general categories, scripts, blocks ("In_...") and binary properties. Case, spaces, '-' and '_' do not count.
std::optional<CharacterSet> property_set(std::string_view name);

// A character by its number, where PCRE2 wants an item of a class or a literal.
std::string escaped(char32_t c);

// The union of sets, and of sets cut from it, as one PCRE2 atom that matches one character.
class SetUnion {
 public:
  void add(const CharacterSet& set);
  void add_atom(std::string atom) { atoms_.push_back(std::move(atom)); }
  void add_range(char32_t first, char32_t last);
  bool empty() const { return items_.empty() && atoms_.empty(); }
  // The atom; negated: of all other characters.
  std::string atom(bool negated) const;

 private:
  std::string items_;
  std::vector<std::string> atoms_;  // what a PCRE2 class cannot hold
};

// Whether some character equals several others when case is ignored ("ß" and "ss"), of those that stand one after the
// other in a text, and whether a character is one of these in itself.
bool folds_to_several(char32_t c);
bool holds_several_folded(std::u32string_view text);

}  // namespace weft
