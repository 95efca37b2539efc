#pragma once
// Progress of work that may take long: nothing for two seconds, then on a terminal one line that is rewritten, elsewhere a
// line of the log every ten seconds. Plain text: no colours, no escape sequences. Silent where --log-level hides info.
#include <chrono>
#include <cstdint>
#include <string>

namespace weft {

// "loading 45 % (1.2 of 2.7 GiB), 0.6 GiB/s, 3 s left". unit "bytes" is scaled, any other stays as it is.
std::string progress_line(const std::string& what, const std::string& unit, int64_t done, int64_t total, double seconds);

// When the next line is due, in seconds since the start.
class ProgressPace {
 public:
  explicit ProgressPace(bool terminal) : next_(terminal ? 2 : 10), step_(terminal ? 0.2 : 10) {}
  bool due(double seconds);  // at most once for every step

 private:
  double next_, step_;
};

class Progress {
 public:
  // Of `total` units to do. Ranks other than 0 pass shown = false.
  Progress(std::string what, std::string unit, int64_t total, bool shown = true);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress();  // takes its line off the terminal

  void advance(int64_t done);  // so many more; from one thread at a time

 private:
  std::string what_, unit_;
  int64_t done_ = 0, total_;
  bool shown_, terminal_;
  size_t width_ = 0;  // of the line on the terminal
  ProgressPace pace_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace weft
