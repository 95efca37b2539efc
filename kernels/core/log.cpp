#include "kernels/core/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>

namespace weft {

void start_log(const std::string& level) {
  spdlog::set_default_logger(std::make_shared<spdlog::logger>("weft", std::make_shared<spdlog::sinks::stderr_sink_mt>()));
  spdlog::set_pattern("weft: %v");
  spdlog::set_level(spdlog::level::from_str(level));
}

namespace {

spdlog::level::level_enum level_of(LogLevel level) {
  constexpr spdlog::level::level_enum kLevels[] = {spdlog::level::trace, spdlog::level::debug, spdlog::level::info,
                                                   spdlog::level::warn,  spdlog::level::err,   spdlog::level::off};
  return kLevels[static_cast<int>(level)];
}

}  // namespace

void log(LogLevel level, const std::string& message) { spdlog::log(level_of(level), spdlog::string_view_t(message)); }

bool log_shows(LogLevel level) { return spdlog::should_log(level_of(level)); }

}  // namespace weft
