#include "runtime/text/oniguruma.h"

#include "kernels/core/check.h"
#include "runtime/text/oniguruma_reader.h"

namespace weft {
namespace {

constexpr int kMaxDepth = 200;  // PCRE2's own limit is 250

struct Options {
  bool ignore_case = false, dot_all = false, extended = false;
};

class Translator : private PatternReader {
 public:
  using PatternReader::PatternReader;

  std::string all() {
    std::string out = alternatives({});
    if (!at_end()) refuse("a ')' without '('");
    return out;
  }

 private:
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
    const size_t begin = place();
    if (take("(?") && read_options(options) && take(")")) return options;
    go_back(begin);
    return std::nullopt;
  }

  // Letters of (?imx-imx); false, and nothing else is said, if these are none.
  bool read_options(Options& options) {
    bool on = true, any = false;
    for (; !at_end(); take_character(), any = true) {
      switch (peek()) {
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
      } else if (const size_t begin = place(); take("{")) {
        const auto interval = read_interval();
        if (!interval) {
          go_back(begin);
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
    if (run_.size() <= before) return;  // no character: a group or a set, before which the run ended
    const char32_t last = run_.back();
    run_.resize(before);
    end_run(options);
    run_ = {last};
    end_run(options);
  }

  bool skip_blank() {
    if (take("#")) {
      while (!at_end() && !take("\n")) take_character();
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
      std::string digits;
      while (peek() >= '0' && peek() <= '9') digits.push_back(static_cast<char>(take_character()));
      return digits;
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
      return translate_class(*this, options.ignore_case);
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
      } else if (const size_t begin = place(); read_options(options) && take(":")) {
        open = options.ignore_case ? "(?i:" : "(?-i:";
      } else {
        go_back(begin);
        refuse(cat("the group '(?", rest().substr(0, 1), "'"));
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
      refuse(cat("\\", std::string(1, letter)));
    }
    return literal(c);  // Oniguruma takes other letters as they are
  }

  int depth_ = 0;
  std::u32string run_;
};

}  // namespace

std::string oniguruma_to_pcre2(std::string_view pattern) { return Translator(pattern).all(); }

}  // namespace weft
