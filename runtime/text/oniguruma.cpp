#include "runtime/text/oniguruma.h"

#include <algorithm>
#include <charconv>

#include "kernels/core/check.h"
#include "runtime/text/oniguruma_set.h"
#include "runtime/text/utf8.h"

namespace weft {
namespace {

constexpr int kMaxDepth = 200;  // PCRE2's own limit is 250
constexpr char32_t kMaxCodePoint = 0x10FFFF;

struct Options {
  bool ignore_case = false, dot_all = false, extended = false;
};

class Translator {
 public:
  explicit Translator(std::string_view pattern) : pattern_(pattern) {}

  std::string all() {
    std::string out = alternatives({});
    if (!at_end()) refuse("a ')' without '('");
    return out;
  }

 private:
  [[noreturn]] void refuse(std::string_view what) const {
    bad_input("the tokenizer's regular expression '", pattern_, "' cannot be used: ", what, " is not supported");
  }

  bool at_end() const { return at_ == pattern_.size(); }
  bool next_is(std::string_view text) const { return pattern_.substr(at_).starts_with(text); }
  bool take(std::string_view text) {
    if (!next_is(text)) return false;
    at_ += text.size();
    return true;
  }
  char32_t take_character() {
    if (at_end()) refuse("a pattern that ends in the middle of an escape, group or class");
    const Utf8Char c = utf8_at(pattern_, at_);
    if (c.status != Utf8Status::valid) refuse("a pattern that is not UTF-8");
    at_ += c.length;
    return c.value;
  }
  std::string_view take_until(std::string_view end) {
    const size_t found = pattern_.find(end, at_);
    if (found == pattern_.npos) refuse(cat("a group without its '", end, "'"));
    const std::string_view text = pattern_.substr(at_, found - at_);
    at_ = found + end.size();
    return text;
  }

  // Alternatives up to the ')' that closes the group, or the end.
  std::string alternatives(Options options) {
    if (++depth_ > kMaxDepth) refuse("nesting this deep");
    std::string out;
    run_.clear();
    while (!at_end() && !next_is(")")) {
      if (take("|")) {
        end_run(options);
        out += '|';
      } else if (const auto changed = isolated_options(options)) {  // they hold to the end of the group, other branches too
        end_run(options);
        out += with_case(*changed, alternatives(*changed));
      } else {
        out += quantified(options);
      }
    }
    end_run(options);
    --depth_;
    return out;
  }

  static std::string with_case(Options options, const std::string& body) {
    return (options.ignore_case ? "(?i:" : "(?-i:") + body + ")";
  }

  // Literal characters side by side, where case is ignored: several of them can equal one ("ss" and "ß"), which PCRE2 does
  // not know.
  void end_run(Options options) {
    if (options.ignore_case && holds_several_folded(run_)) {
      refuse("a text that matches another length when case is ignored");
    }
    run_.clear();
  }

  std::optional<Options> isolated_options(Options options) {
    const size_t begin = at_;
    if (take("(?") && read_options(options) && take(")")) return options;
    at_ = begin;
    return std::nullopt;
  }

  // Letters of (?imx-imx); false, and nothing else is said, if these are none.
  bool read_options(Options& options) {
    bool on = true, any = false;
    for (; !at_end(); ++at_, any = true) {
      switch (pattern_[at_]) {
        case '-': on = false; break;
        case 'i': options.ignore_case = on; break;
        case 'm': options.dot_all = on; break;
        case 'x': options.extended = on; break;
        default: return any;
      }
    }
    return any;
  }

  std::string quantified(Options options) {
    if (options.extended && skip_blank()) return {};
    if (take("(?#")) {
      while (!take(")")) take_character() == '\\' ? take_character() : 0;
      return {};
    }
    const size_t run_before = run_.size();
    std::string out = atom(options);
    for (bool repeated = false; !at_end();) {
      if (options.extended && skip_blank()) continue;
      std::string suffix;
      if (take("*")) {
        suffix = "*";
      } else if (take("+")) {
        suffix = "+";
      } else if (take("?")) {
        suffix = "?";
      } else if (const size_t begin = at_; take("{")) {
        const auto interval = read_interval();
        if (!interval) {
          at_ = begin;
          break;
        }
        quantify_run(run_before, options);
        out = with_interval(repeated ? "(?:" + out + ")" : out, *interval);
        repeated = false;  // it is one atom
        continue;
      } else {
        break;
      }
      quantify_run(run_before, options);
      if (take("?"))
        suffix += '?';
      else if (take("+"))
        suffix += '+';
      out = repeated ? "(?:" + out + ")" + suffix : out + suffix;
      repeated = true;
    }
    return out;
  }

  // A character that is repeated stands alone.
  void quantify_run(size_t before, Options options) {
    if (run_.size() == before) return;
    const char32_t last = run_.back();
    run_.resize(before);
    end_run(options);
    run_ = {last};
    end_run(options);
  }

  bool skip_blank() {
    if (take("#")) {
      while (!at_end() && !take("\n")) ++at_;
      return true;
    }
    return take(" ") || take("\t") || take("\n") || take("\r") || take("\f") || take("\v");
  }

  struct Interval {
    std::string low, high;
    bool fixed;
  };

  // What follows '{', if it is an interval; else the '{' stands for itself.
  std::optional<Interval> read_interval() {
    const auto number = [&] {
      const size_t begin = at_;
      while (!at_end() && pattern_[at_] >= '0' && pattern_[at_] <= '9') ++at_;
      return std::string(pattern_.substr(begin, at_ - begin));
    };
    Interval interval{number(), "", false};
    if (!take(",")) {
      interval.fixed = true;
      interval.high = interval.low;
    } else {
      interval.high = number();
    }
    if (!take("}") || (interval.low.empty() && interval.high.empty())) return std::nullopt;
    if (interval.low.empty()) interval.low = "0";
    if (interval.low.size() > 5 || interval.high.size() > 5) refuse("an interval this large");
    return interval;
  }

  std::string with_interval(const std::string& atom, const Interval& interval) {
    const auto repeat = [&](const std::string& low, const std::string& high) { return atom + "{" + low + "," + high + "}"; };
    if (!interval.high.empty() && std::stoi(interval.low) > std::stoi(interval.high)) {  // means: does not give back
      return "(?>" + repeat(interval.high, interval.low) + ")";
    }
    const std::string out = repeat(interval.low, interval.high);
    if (!interval.fixed && take("?")) return "(?:" + out + "?)";  // a{2}? is (?:a{2})?
    return "(?:" + out + ")";
  }

  std::string atom(Options options) {
    if (next_is("*") || next_is("+") || next_is("?")) refuse("a repeat of nothing");
    if (take("[")) {
      end_run(options);
      return character_class(options, 0);
    }
    if (take("(")) {
      end_run(options);
      return group(options);
    }
    if (take("\\")) return escape(options);
    const char32_t c = take_character();
    if (c == '.' || c == '^' || c == '$') end_run(options);
    if (c == '.') return options.dot_all ? "(?s:.)" : "[^\\n]";
    if (c == '^' || c == '$') return std::string(1, static_cast<char>(c));
    return literal(c);
  }

  std::string literal(char32_t c) {
    run_.push_back(c);
    return escaped(c);
  }

  std::string group(Options options) {
    if (next_is("*")) refuse("a callout (*...)");
    std::string open = "(";
    if (take("?")) {
      if (const auto special = lookaround_or_plain()) {
        open = *special;
      } else if (take("<") || next_is("'")) {  // named: counts as a group, its name is of no use here
        take_until(take("'") ? "'" : ">");
      } else if (const size_t begin = at_; read_options(options) && take(":")) {
        open = options.ignore_case ? "(?i:" : "(?-i:";
      } else {
        at_ = begin;
        refuse(cat("the group '(?", pattern_.substr(at_, 1), "'"));
      }
    }
    std::string body = alternatives(options);
    if (!take(")")) refuse("a '(' without ')'");
    return open + body + ")";
  }

  std::optional<std::string> lookaround_or_plain() {
    for (const char* kind : {":", "=", "!", ">", "<=", "<!"}) {
      if (take(kind)) return cat("(?", kind);
    }
    return std::nullopt;
  }

  std::string escape(Options options) {
    const size_t begin = at_;
    const char32_t c = take_character();
    if (const auto code = coded_character(c)) return literal(*code);
    if (c > 0x7F || !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))) return literal(c);
    const char letter = static_cast<char>(c);
    const std::string word = shorthand_set('w')->as_atom();
    const std::string boundary_begin = "(?<!" + word + ")(?=" + word + ")",
                      boundary_end = "(?<=" + word + ")(?!" + word + ")";
    const std::string inside = "(?<=" + word + ")(?=" + word + ")", outside = "(?<!" + word + ")(?!" + word + ")";
    end_run(options);
    if (const auto set = shorthand_set(letter)) return set->as_atom();
    switch (letter) {
      case 'p':
      case 'P': {  // Oniguruma ignores case in brackets only
        const std::string set = property(letter == 'P').as_atom();
        return options.ignore_case ? "(?-i:" + set + ")" : set;
      }
      case 'b': return "(?:" + boundary_begin + "|" + boundary_end + ")";
      case 'B': return "(?:" + inside + "|" + outside + ")";
      case 'A':
      case 'z':
      case 'Z':
      case 'G':
      case 'K': return std::string("\\") + letter;
      case 'R': return R"((?>\r\n|[\n-\r\x{85}\x{2028}\x{2029}]))";
      case 'N': return "[^\\n]";
      case 'O': return "(?s:.)";
      default: break;
    }
    if (std::string_view("XyYkgQECM").find(letter) != std::string_view::npos || (letter >= '1' && letter <= '9')) {
      refuse(cat("\\", pattern_.substr(begin, 1)));
    }
    return literal(c);  // Oniguruma takes other letters as they are
  }

  // The character that \n, \x{...} and the like stand for, what follows the backslash being c.
  std::optional<char32_t> coded_character(char32_t c) {
    switch (c) {
      case 't': return 0x09;
      case 'n': return 0x0A;
      case 'v': return 0x0B;
      case 'f': return 0x0C;
      case 'r': return 0x0D;
      case 'a': return 0x07;
      case 'e': return 0x1B;
      case 'u': return number(4, 4, 16);
      case 'x':
        if (take("{")) return braced_number(16);
        if (const size_t begin = at_; true) {
          const char32_t byte = one_byte(number(0, 2, 16));
          return at_ == begin ? U'x' : byte;
        }
      case 'o':
        if (take("{")) return braced_number(8);
        return std::nullopt;
      case '0': return one_byte(number(0, 2, 8));
      case 'c': return take_character() & 0x1F;
      default: return std::nullopt;
    }
  }

  char32_t one_byte(char32_t value) {
    if (value > 0x7F) refuse("a byte above 7F that is written as a number");
    return value;
  }

  char32_t number(size_t least, size_t most, int base) {
    const std::string_view digits = pattern_.substr(at_, most);
    uint32_t value = 0;
    const char* end = std::from_chars(digits.data(), digits.data() + digits.size(), value, base).ptr;
    const size_t length = end - digits.data();
    if (length < least || value > kMaxCodePoint || (value >= 0xD800 && value < 0xE000)) refuse("a number of no character");
    at_ += length;
    return value;
  }

  char32_t braced_number(int base) {
    const char32_t value = number(1, 11, base);
    if (!take("}")) refuse("a list of character numbers");
    return value;
  }

  // What follows \p or \P.
  CharacterSet property(bool negated) {
    if (!take("{")) refuse("\\p without braces");
    if (take("^")) negated = !negated;
    const std::string_view name = take_until("}");
    auto set = property_set(name);
    if (!set) refuse(cat("the property '", name, "'"));
    set->negated ^= negated;
    set->folds |= negated;
    return *set;
  }

  // What follows '['. A list of unions with && between them; a '^' in front negates the whole.
  std::string character_class(Options options, int depth) {
    if (depth > kMaxDepth) refuse("nesting this deep");
    const bool negated = take("^");
    std::vector<std::string> parts;
    SetUnion current;
    const auto end_part = [&] {
      if (current.empty()) refuse("an empty class");
      parts.push_back(current.atom(false));
    };
    for (bool first = true; first || !next_is("]"); first = false) {
      if (take("&&")) {
        if (options.ignore_case) refuse("'&&' where case is ignored");
        end_part();
        current = SetUnion();
      } else {
        class_item(options, negated, first, depth, current);
      }
    }
    take("]");
    if (parts.empty()) return current.atom(negated);
    end_part();
    std::string out;
    for (size_t i = 0; i + 1 < parts.size(); ++i) out += "(?=" + parts[i] + ")";
    out += parts.back();
    return negated ? "(?:(?!" + out + ")(?s:.))" : "(?:" + out + ")";
  }

  void class_item(Options options, bool negated, bool first, int depth, SetUnion& out) {
    if (next_is("[:")) {
      if (const auto set = posix_bracket()) return add_set(options, negated, *set, out);
    }
    if (take("[")) {
      if (options.ignore_case) refuse("a class inside a class where case is ignored");
      return out.add_atom(character_class(options, depth + 1));
    }
    if (next_is("]") && first && pattern_.find(']', at_ + 1) == pattern_.npos) refuse("an empty class");
    const auto low = class_character(options, negated, out);
    if (!low) return;
    char32_t high = *low;
    if (next_is("-") && !next_is("-]") && !next_is("-&&")) {
      take("-");
      if (next_is("[")) refuse("a range that ends in a class");
      const auto end = class_character(options, negated, out);
      if (!end) refuse("a range that ends in a set");
      high = *end;
    }
    if (high < *low) refuse("a range whose end comes before its begin");
    if (options.ignore_case && !negated) {
      for (char32_t c = *low; c <= high; ++c) {
        if (folds_to_several(c)) refuse("a class with a character that equals several others when case is ignored");
      }
    }
    out.add_range(*low, high);
  }

  // One character of a class; a set is added to `out` instead.
  std::optional<char32_t> class_character(Options options, bool negated, SetUnion& out) {
    const char32_t c = take_character();
    if (c != '\\') return c;
    const char32_t letter = take_character();
    if (letter == 'b') return 0x08;
    if (const auto code = coded_character(letter)) return code;
    if (letter > 0x7F) return letter;
    if (letter == 'p' || letter == 'P') {
      add_set(options, negated, property(letter == 'P'), out);
      return std::nullopt;
    }
    if (const auto set = shorthand_set(static_cast<char>(letter))) {
      add_set(options, negated, *set, out);
      return std::nullopt;
    }
    if (std::string_view("RXNOkgCM").find(static_cast<char>(letter)) != std::string_view::npos ||
        (letter >= '1' && letter <= '9')) {
      refuse(cat("\\", std::string(1, static_cast<char>(letter)), " in a class"));
    }
    return letter;
  }

  // Where case is ignored, Oniguruma adds to a set what differs from its characters in case only.
  void add_set(Options options, bool negated, const CharacterSet& set, SetUnion& out) {
    if (options.ignore_case && set.folds) {
      const bool closed = set.items == R"(\p{L})" && !set.negated;  // but for U+0345, which equals a letter
      if (!negated || !closed) refuse("a class with a set of letters where case is ignored");
      out.add_range(0x345, 0x345);
    }
    out.add(set);
  }

  // [:name:] or [:^name:]
  std::optional<CharacterSet> posix_bracket() {
    const size_t end = pattern_.find(":]", at_);
    if (end == pattern_.npos) return std::nullopt;
    std::string_view name = pattern_.substr(at_ + 2, end - at_ - 2);
    const bool negated = name.starts_with('^');
    if (negated) name.remove_prefix(1);
    auto set = posix_set(name);
    if (!set) return std::nullopt;
    set->negated ^= negated;
    at_ = end + 2;
    return set;
  }

  std::string_view pattern_;
  size_t at_ = 0;
  int depth_ = 0;
  std::u32string run_;
};

}  // namespace

std::string oniguruma_to_pcre2(std::string_view pattern) { return Translator(pattern).all(); }

}  // namespace weft
