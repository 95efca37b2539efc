#pragma once
// Stop strings in a stream of text.
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft {

// Finds the first stop string in a stream of text pieces, and holds back what may be the beginning of one. A stop string
// counts where the shown text holds it, and where the text with special tokens written out holds it together with at
// least one whole special token: "<|eot_id|>" stops at that token, though nobody is shown it, and ">" does not.
class StopStrings {
 public:
  // Refused are empty strings, and what is not UTF-8: no text ever holds it.
  explicit StopStrings(std::vector<std::string> stops);

  // Returns the text that is safe to show. Once a stop string is complete, returns what precedes it,
  // stopped() is true and further text is ignored. Of stop strings that end in the same place the one that
  // starts first counts.
  std::string push(std::string_view text);
  // A special token, by its spelling; nothing of it is ever returned.
  std::string push_special(std::string_view token);
  // The end of the text: returns what was held back.
  std::string flush();

  bool stopped() const { return stopped_; }
  const std::string& matched() const { return matched_; }  // the stop string that hit; empty before

 private:
  enum class Mark : char { shown, special_begin, special };
  struct Match {
    size_t begin, end;  // in held_
    const std::string* stop;
  };
  struct Shown {
    std::string text;
    std::vector<size_t> place;  // of each byte in held_
  };

  std::string push(std::string_view text, Mark first, Mark rest);
  std::string release(size_t end);
  Shown shown() const;
  Match find(const Shown& shown) const;
  size_t hold_from(const Shown& shown) const;
  bool holds_special(size_t begin, size_t end) const;

  std::vector<std::string> stops_;
  std::string held_;
  std::vector<Mark> marks_;  // of each byte of held_
  std::string matched_;
  bool stopped_ = false;
};

}  // namespace weft
