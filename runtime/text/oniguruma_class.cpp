// Classes of Oniguruma: "[...]" with sets, POSIX names, classes and intersections inside.
#include "kernels/core/check.h"
#include "runtime/text/oniguruma_reader.h"

namespace weft {
namespace {

constexpr int kMaxDepth = 200;

class ClassTranslator {
 public:
  ClassTranslator(PatternReader& in, bool ignore_case) : in_(in), ignore_case_(ignore_case) {}

  // What follows '['. A list of unions with && between them; a '^' in front negates the whole.
  std::string translate(int depth) {
    if (depth > kMaxDepth) in_.refuse("nesting this deep");
    const bool negated = in_.take("^");
    std::vector<std::string> parts;
    SetUnion current;
    const auto end_part = [&] {
      if (current.empty()) in_.refuse("an empty class");
      parts.push_back(current.atom(false));
    };
    for (bool first = true; first || !in_.next_is("]"); first = false) {
      if (in_.take("&&")) {
        if (ignore_case_) in_.refuse("'&&' where case is ignored");
        end_part();
        current = SetUnion();
      } else {
        class_item(negated, first, depth, current);
      }
    }
    in_.take("]");
    if (parts.empty()) return current.atom(negated);
    end_part();
    std::string out;
    for (size_t i = 0; i + 1 < parts.size(); ++i) out += "(?=" + parts[i] + ")";
    out += parts.back();
    return negated ? "(?:(?!" + out + ")(?s:.))" : "(?:" + out + ")";
  }

 private:
  void class_item(bool negated, bool first, int depth, SetUnion& out) {
    if (in_.next_is("[:")) {
      if (const auto set = posix_bracket()) return add_set(negated, *set, out);
    }
    if (in_.take("[")) {
      if (ignore_case_) in_.refuse("a class inside a class where case is ignored");
      return out.add_atom(translate(depth + 1));
    }
    if (in_.next_is("]") && first && in_.rest().find(']', 1) == std::string_view::npos) in_.refuse("an empty class");
    const auto low = class_character(negated, out);
    if (!low) return;
    char32_t high = *low;
    if (in_.next_is("-") && !in_.next_is("-]") && !in_.next_is("-&&")) {
      in_.take("-");
      if (in_.next_is("[")) in_.refuse("a range that ends in a class");
      const auto end = class_character(negated, out);
      if (!end) in_.refuse("a range that ends in a set");
      high = *end;
    }
    if (high < *low) in_.refuse("a range whose end comes before its begin");
    if (ignore_case_ && !negated) {
      for (char32_t c = *low; c <= high; ++c) {
        if (folds_to_several(c)) in_.refuse("a class with a character that equals several others when case is ignored");
      }
    }
    out.add_range(*low, high);
  }

  // One character of a class; a set is added to `out` instead.
  std::optional<char32_t> class_character(bool negated, SetUnion& out) {
    const char32_t c = in_.take_character();
    if (c != '\\') return c;
    const char32_t letter = in_.take_character();
    if (letter == 'b') return 0x08;
    if (const auto code = in_.coded_character(letter)) return code;
    if (letter > 0x7F) return letter;
    if (letter == 'p' || letter == 'P') {
      add_set(negated, in_.property(letter == 'P'), out);
      return std::nullopt;
    }
    if (const auto set = shorthand_set(static_cast<char>(letter))) {
      add_set(negated, *set, out);
      return std::nullopt;
    }
    if (std::string_view("RXNOkgCM").find(static_cast<char>(letter)) != std::string_view::npos ||
        (letter >= '1' && letter <= '9')) {
      in_.refuse(cat("\\", std::string(1, static_cast<char>(letter)), " in a class"));
    }
    return letter;
  }

  // Where case is ignored, Oniguruma adds to a set what differs from its characters in case only.
  void add_set(bool negated, const CharacterSet& set, SetUnion& out) {
    if (ignore_case_ && set.folds) {
      const bool closed = set.items == R"(\p{L})" && !set.negated;  // but for U+0345, which equals a letter
      if (!negated || !closed) in_.refuse("a class with a set of letters where case is ignored");
      out.add_range(0x345, 0x345);
    }
    out.add(set);
  }

  // [:name:] or [:^name:]
  std::optional<CharacterSet> posix_bracket() {
    const size_t end = in_.rest().find(":]");
    if (end == std::string_view::npos) return std::nullopt;
    std::string_view name = in_.rest().substr(2, end - 2);
    const bool negated = name.starts_with('^');
    if (negated) name.remove_prefix(1);
    auto set = posix_set(name);
    if (!set) return std::nullopt;
    set->negated ^= negated;
    in_.take_until(":]");
    return set;
  }

  PatternReader& in_;
  const bool ignore_case_;
};

}  // namespace

std::string translate_class(PatternReader& in, bool ignore_case) { return ClassTranslator(in, ignore_case).translate(0); }

}  // namespace weft
