#pragma once
// Messages to stderr, one line each, by spdlog. log.cpp alone includes it: its headers are heavy.
#include <string>

#include "kernels/core/check.h"

namespace weft {

enum class LogLevel { trace, debug, info, warn, error, off };

enum class LogForm {
  command,  // weft: TEXT, where TEXT begins with "warning: " or "error: " if it is one
  // 2026-11-25T10:21:01.123Z LEVEL weft: TEXT, in UTC; LEVEL is trace, debug, info, warning or error. A thread of its own
  // writes: whoever logs never waits for the reader of stderr. While that does not read, the oldest of 4096 lines make room
  // for new ones, and a line tells how many are missing.
  server,
};

// Nothing below `level` is shown; names as --log-level spells them. The text of a rank other than 0 begins with "rank N: ".
// Before this call the log has the form of a command and shows info.
void start_log(const std::string& level, LogForm form = LogForm::command, int rank = 0);
void log(LogLevel level, const std::string& message);
bool log_shows(LogLevel level);

// The sentence that a process fails with: shown at every level. A command's needs no "error: " before it.
void log_failure(const std::string& sentence);

// Before the process ends: waits for lines that are not written yet, at most half a second.
void finish_log();

// Lines of other processes, which have their stamp and level already.
bool is_server_log_line(const std::string& line);
void pass_log_line(const std::string& line);

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
