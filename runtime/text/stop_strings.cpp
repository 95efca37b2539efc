#include "runtime/text/stop_strings.h"

#include <algorithm>

#include "kernels/core/check.h"
#include "runtime/text/utf8.h"

namespace weft {
namespace {

constexpr size_t kNone = std::string::npos;

// Length of the longest end of text that stop begins with, stop as a whole excepted.
size_t overlap(std::string_view text, std::string_view stop) {
  for (size_t n = std::min(stop.size() - 1, text.size()); n > 0; --n) {
    if (text.ends_with(stop.substr(0, n))) return n;
  }
  return 0;
}

}  // namespace

StopStrings::StopStrings(std::vector<std::string> stops) : stops_(std::move(stops)) {
  for (const std::string& stop : stops_) {
    if (stop.empty()) bad_input("a stop string is empty; it must have at least one character");
    if (const size_t bad = find_invalid_utf8(stop); bad != kNone) {
      bad_input("a stop string is not valid UTF-8: byte ", bad, " is not part of a character");
    }
  }
}

std::string StopStrings::push(std::string_view text) { return push(text, Mark::shown, Mark::shown); }

std::string StopStrings::push_special(std::string_view token) { return push(token, Mark::special_begin, Mark::special); }

std::string StopStrings::push(std::string_view text, Mark first, Mark rest) {
  if (stopped_ || text.empty()) return {};
  if (stops_.empty()) return first == Mark::shown ? std::string(text) : std::string();
  held_ += text;
  marks_.push_back(first);
  marks_.resize(held_.size(), rest);
  const Shown visible = shown();
  const Match match = find(visible);
  if (match.stop == nullptr) return release(hold_from(visible));
  stopped_ = true;
  matched_ = *match.stop;
  return release(match.begin);
}

// What was held before holds no stop string, so each is sought once in all that is held.
StopStrings::Match StopStrings::find(const Shown& visible) const {
  Match best{kNone, kNone, nullptr};
  const auto consider = [&](size_t begin, size_t end, const std::string& stop) {
    if (end < best.end || (end == best.end && begin < best.begin)) best = {begin, end, &stop};
  };
  for (const std::string& stop : stops_) {
    if (const size_t at = visible.text.find(stop); at != kNone) {
      consider(visible.place[at], visible.place[at + stop.size() - 1] + 1, stop);
    }
    size_t at = held_.find(stop);
    while (at != kNone && !holds_special(at, at + stop.size())) at = held_.find(stop, at + 1);
    if (at != kNone) consider(at, at + stop.size(), stop);
  }
  return best;
}

// Where the longest end of the text begins that begins a stop string.
size_t StopStrings::hold_from(const Shown& visible) const {
  size_t from = held_.size();
  for (const std::string& stop : stops_) {
    from = std::min(from, held_.size() - overlap(held_, stop));
    if (const size_t n = overlap(visible.text, stop); n > 0) from = std::min(from, visible.place[visible.text.size() - n]);
  }
  return from;
}

bool StopStrings::holds_special(size_t begin, size_t end) const {
  const auto first = std::find(marks_.begin() + begin, marks_.begin() + end, Mark::special_begin);
  if (first == marks_.begin() + end) return false;
  const auto after = std::find_if(first + 1, marks_.end(), [](Mark mark) { return mark != Mark::special; });
  return after <= marks_.begin() + end;
}

StopStrings::Shown StopStrings::shown() const {
  Shown visible;
  for (size_t i = 0; i < held_.size(); ++i) {
    if (marks_[i] != Mark::shown) continue;
    visible.text.push_back(held_[i]);
    visible.place.push_back(i);
  }
  return visible;
}

// Takes the first `end` bytes out of what is held and returns what is shown of them.
std::string StopStrings::release(size_t end) {
  std::string text;
  for (size_t i = 0; i < end; ++i) {
    if (marks_[i] == Mark::shown) text.push_back(held_[i]);
  }
  held_.erase(0, end);
  marks_.erase(marks_.begin(), marks_.begin() + end);
  return text;
}

std::string StopStrings::flush() { return stopped_ ? std::string() : release(held_.size()); }

}  // namespace weft
