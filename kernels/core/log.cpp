#include "kernels/core/log.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spdlog/async.h>
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <regex>
#include <string_view>
#include <thread>
#include <utility>

namespace weft {
namespace {

namespace level = spdlog::level;

constexpr level::level_enum kFailure = level::critical;  // above every level that --log-level can ask for
constexpr size_t kQueuedLines = 4096;
constexpr std::chrono::milliseconds kLastWords{500};

// How a form spells the level of a line: the flag %* of its pattern.
class LevelWord final : public spdlog::custom_flag_formatter {
 public:
  explicit LevelWord(LogForm form) : form_(form) {}
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& line) override {
    const std::string_view word = form_ == LogForm::server ? for_server(message.level) : for_command(message.level);
    line.append(word.data(), word.data() + word.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<LevelWord>(form_); }

 private:
  static std::string_view for_server(level::level_enum l) {
    const spdlog::string_view_t word = level::to_string_view(std::min(l, level::err));
    return {word.data(), word.size()};
  }
  static std::string_view for_command(level::level_enum l) {
    return l == level::warn ? "warning: " : l == level::err ? "error: " : "";
  }

  LogForm form_;
};

std::unique_ptr<spdlog::formatter> formatter(LogForm form, int rank) {
  const std::string who = rank == 0 ? "" : cat("rank ", rank, ": ");
  const std::string pattern =
      form == LogForm::server ? cat("%Y-%m-%dT%H:%M:%S.%eZ %* weft: ", who, "%v") : cat("weft: ", who, "%*%v");
  auto made = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
  made->add_flag<LevelWord>('*', form).set_pattern(pattern);
  return made;
}

// Writes to stderr; what cannot be written is lost. Lines of the logger kPassed go out as they are.
constexpr const char* kPassed = "passed";

class Stderr final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  std::atomic<uint64_t> done = 0;                           // lines
  std::function<uint64_t()> count_lost = [] { return 0; };  // lines that never came here

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    if (const uint64_t lost = count_lost(), more = lost - std::exchange(told_lost_, lost); more > 0)
      write({"weft", level::warn, cat(more, " lines of the log are missing here: stderr was not read in time")});
    write(message);
    ++done;
  }

  void write(const spdlog::details::log_msg& message) {
    spdlog::memory_buf_t line;
    if (message.logger_name == kPassed) {
      line.append(message.payload.begin(), message.payload.end());
      line.push_back('\n');
    } else {
      formatter_->format(message, line);
    }
    for (size_t begin = 0; begin < line.size();) {
      const ssize_t bytes = ::write(STDERR_FILENO, line.data() + begin, line.size() - begin);
      if (bytes > 0) begin += static_cast<size_t>(bytes);
      if (bytes >= 0 || errno == EINTR) continue;
      if (errno != EAGAIN) return;
      pollfd room{STDERR_FILENO, POLLOUT, 0};  // whoever shares our stderr made it non-blocking
      ::poll(&room, 1, -1);
    }
  }

  void flush_() override {}

  uint64_t told_lost_ = 0;
};

// Kept to the very end of the process: threads that outlive main() may write to it, and one that is stuck in a write can
// not be waited for.
struct Log {
  std::shared_ptr<Stderr> sink = std::make_shared<Stderr>();
  std::shared_ptr<spdlog::details::thread_pool> writer;  // null: whoever logs, writes
  std::shared_ptr<spdlog::logger> own, passed;
  std::atomic<uint64_t> given = 0;  // lines

  Log() {
    sink->set_formatter(formatter(LogForm::command, 0));
    set_loggers([&](const char* name) { return std::make_shared<spdlog::logger>(name, sink); });
  }

  // From now on a thread of its own writes. No signal is delivered to it.
  void start_writer() {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    writer = std::make_shared<spdlog::details::thread_pool>(kQueuedLines, 1);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    static const std::terminate_handler usual = std::set_terminate([] { finish_log(), usual(); });
    sink->count_lost = [this] { return writer->overrun_counter(); };
    set_loggers([&](const char* name) {
      return std::make_shared<spdlog::async_logger>(name, sink, writer, spdlog::async_overflow_policy::overrun_oldest);
    });
  }

  template <class Make>
  void set_loggers(Make&& make) {
    own = make("weft");
    passed = make(kPassed);
  }

  void write(spdlog::logger& logger, level::level_enum level, const std::string& text) {
    if (!logger.should_log(level)) return;
    ++given;
    logger.log(level, spdlog::string_view_t(text));
  }
};

Log& the_log() {
  static Log* const log = new Log;
  return *log;
}

level::level_enum level_of(LogLevel l) {
  constexpr level::level_enum kLevels[] = {level::trace, level::debug, level::info, level::warn, level::err, level::off};
  return kLevels[static_cast<int>(l)];
}

}  // namespace

void start_log(const std::string& level, LogForm form, int rank) {
  Log& log = the_log();
  if (form == LogForm::server && !log.writer) log.start_writer();
  log.sink->set_formatter(formatter(form, rank));
  log.own->set_level(std::min(spdlog::level::from_str(level), kFailure));
}

void finish_log() {
  Log& log = the_log();
  const auto until = std::chrono::steady_clock::now() + kLastWords;
  while (log.writer && log.sink->done + log.writer->overrun_counter() < log.given &&
         std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

void log(LogLevel level, const std::string& message) { the_log().write(*the_log().own, level_of(level), message); }

bool log_shows(LogLevel level) { return the_log().own->should_log(level_of(level)); }

void log_failure(const std::string& sentence) { the_log().write(*the_log().own, kFailure, sentence); }

bool is_server_log_line(const std::string& line) {
  static const std::regex form(
      "\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z (trace|debug|info|warning|error) weft: ");
  return std::regex_search(line, form, std::regex_constants::match_continuous);
}

void pass_log_line(const std::string& line) { the_log().write(*the_log().passed, level::info, line); }

}  // namespace weft
