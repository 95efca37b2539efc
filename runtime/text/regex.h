#pragma once
// Regular expressions of tokenizer files, which are written for Oniguruma, run by PCRE2 (Unicode, JIT where
// allowed).
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace weft {

class Regex {
 public:
  // Refuses a pattern that does not compile, or has no counterpart in PCRE2, naming pattern, place and reason.
  explicit Regex(std::string_view pattern);
  // A pattern that matches this text literally.
  static std::string quote(std::string_view text);
  // The length of the one text that a quote()d pattern matches; none for other patterns.
  std::optional<size_t> literal_bytes() const;

  // Finds the matches in a text, left to right, without overlap. One for each thread; the regex must outlive
  // it.
  class Matcher {
   public:
    explicit Matcher(const Regex& regex);
    // The text to search, which must outlive the search: valid UTF-8, not checked again.
    void start(std::string_view text);
    // The next match as [begin, end), both npos when there is none. A pattern that takes far longer than any tokenizer's
    // is given up with a sentence: 10 seconds and 2 more for each million bytes.
    std::pair<size_t, size_t> next();

   private:
    void check_time();
    [[noreturn]] void give_up(const std::string& reason) const;

    const Regex* regex_;
    std::string_view text_;
    size_t position_ = 0;
    size_t last_end_ = std::string_view::npos;  // of the last match
    std::shared_ptr<void> match_data_, context_;
    std::chrono::steady_clock::time_point deadline_;
    unsigned calls_ = 0;
  };

 private:
  std::string pattern_;
  std::shared_ptr<void> code_;  // pcre2_code, immutable
};

}  // namespace weft
