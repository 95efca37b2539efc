#include "kernels/core/progress.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "kernels/core/log.h"

namespace weft {
namespace {

bool is_terminal() {
  const char* type = std::getenv("TERM");
  return isatty(STDERR_FILENO) && type && *type && std::string_view(type) != "dumb";
}

// Two numbers of one scale, and its name.
struct Scale {
  double divisor = 1;
  std::string name;
};

Scale scale_of(const std::string& unit, double largest) {
  if (unit != "bytes") return {1, unit};
  constexpr std::array kNames = {"B", "KiB", "MiB", "GiB", "TiB"};
  Scale scale{1, kNames[0]};
  for (size_t i = 1; i < kNames.size() && largest / scale.divisor >= 1024; ++i) scale = {scale.divisor * 1024, kNames[i]};
  return scale;
}

std::string shown(double value, const Scale& scale) {
  char text[32];
  std::snprintf(text, sizeof text, scale.divisor > 1 || value < 10 ? "%.1f" : "%.0f", value / scale.divisor);
  const std::string_view digits = text;
  return std::string(digits.ends_with(".0") ? digits.substr(0, digits.size() - 2) : digits);
}

// What is written is gone if nobody reads it; the work goes on.
void write(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

}  // namespace

std::string progress_line(const std::string& what, const std::string& unit, int64_t done, int64_t total, double seconds) {
  const auto count = static_cast<double>(done), all = static_cast<double>(total), rate = count / seconds;
  const Scale amount = scale_of(unit, all), speed = scale_of(unit, rate);
  std::string line = cat(what, " ", total > 0 ? 100 * done / total : 100, " % (", shown(count, amount), " of ",
                         shown(all, amount), " ", amount.name, "), ", shown(rate, speed), " ", speed.name, "/s");
  if (done > 0) line += cat(", ", shown(std::max(all - count, 0.0) / rate, {}), " s left");
  return line;
}

bool ProgressPace::due(double seconds) {
  if (seconds < next_) return false;
  next_ = seconds + step_;
  return true;
}

Progress::Progress(std::string what, std::string unit, int64_t total, bool shown)
    : what_(std::move(what)),
      unit_(std::move(unit)),
      total_(total),
      shown_(shown && log_shows(LogLevel::info)),
      terminal_(is_terminal()),
      pace_(terminal_) {}

Progress::~Progress() {
  if (width_ > 0) write(cat("\r", std::string(width_, ' '), "\r"));
}

void Progress::advance(int64_t done) {
  done_ += done;
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  if (!shown_ || !pace_.due(seconds)) return;
  const std::string line = progress_line(what_, unit_, done_, total_, seconds);
  if (!terminal_) return log_info(line);
  const size_t last = width_;
  width_ = std::string_view("weft: ").size() + line.size();
  write(cat("\rweft: ", line, std::string(last > width_ ? last - width_ : 0, ' ')));
}

}  // namespace weft
