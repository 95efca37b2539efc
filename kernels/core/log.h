#pragma once
// Messages to stderr, one line each, by spdlog. One file includes it: its headers are heavy.
#include <string>

#include "kernels/core/check.h"

namespace weft {

enum class LogLevel { trace, debug, info, warn, error, off };
// Nothing below `level` is shown; names as --log-level spells them.
void start_log(const std::string& level);
void log(LogLevel level, const std::string& message);
bool log_shows(LogLevel level);

template <class... Args>
void log_debug(const Args&... args) {
  log(LogLevel::debug, cat(args...));
}
template <class... Args>
void log_info(const Args&... args) {
  log(LogLevel::info, cat(args...));
}
template <class... Args>
void log_warn(const Args&... args) {
  log(LogLevel::warn, cat(args...));
}
template <class... Args>
void log_error(const Args&... args) {
  log(LogLevel::error, cat(args...));
}

}  // namespace weft
