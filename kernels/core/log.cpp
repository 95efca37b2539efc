#include "kernels/core/log.h"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <algorithm>
#include <memory>
#include <regex>
#include <string_view>

namespace weft {
namespace {

namespace level = spdlog::level;

constexpr level::level_enum kFailure = level::critical;  // above every level that --log-level can ask for

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

// Kept to the very end of the process: threads that outlive main() may write to it.
struct Log {
  spdlog::logger own{"weft", std::make_shared<spdlog::sinks::stderr_sink_mt>()};
  spdlog::logger passed{"passed", std::make_shared<spdlog::sinks::stderr_sink_mt>()};
  Log() {
    own.set_formatter(formatter(LogForm::command, 0));
    passed.set_pattern("%v");
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
  the_log().own.set_formatter(formatter(form, rank));
  the_log().own.set_level(std::min(spdlog::level::from_str(level), kFailure));
}

void log(LogLevel level, const std::string& message) { the_log().own.log(level_of(level), spdlog::string_view_t(message)); }

bool log_shows(LogLevel level) { return the_log().own.should_log(level_of(level)); }

void log_failure(const std::string& sentence) { the_log().own.log(kFailure, spdlog::string_view_t(sentence)); }

bool is_server_log_line(const std::string& line) {
  static const std::regex form(
      "\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z (trace|debug|info|warning|error) weft: ");
  return std::regex_search(line, form, std::regex_constants::match_continuous);
}

void pass_log_line(const std::string& line) { the_log().passed.info(spdlog::string_view_t(line)); }

}  // namespace weft
