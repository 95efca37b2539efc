#include "kernels/core/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <sstream>
#include <string>
#include <vector>

namespace weft {
namespace {

const std::string kStamp = "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9][.][0-9]{3}Z ";

std::vector<std::string> written(const std::function<void()>& fn) {
  testing::internal::CaptureStderr();
  fn();
  std::istringstream text(testing::internal::GetCapturedStderr());
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

void say_all() {
  log_debug("a ", 1);
  log_info("b");
  log_warn("c");
  log_error("d");
  log_failure("e");
}

class Log : public testing::Test {
  void TearDown() override { start_log("info"); }
};

TEST_F(Log, OfACommand) {
  start_log("debug");
  EXPECT_EQ(written(say_all),
            (std::vector<std::string>{"weft: a 1", "weft: b", "weft: warning: c", "weft: error: d", "weft: e"}));
  start_log("info", LogForm::command, 3);
  EXPECT_EQ(written([] { log_warn("f"); }), std::vector<std::string>{"weft: rank 3: warning: f"});
}

TEST_F(Log, OfAServer) {
  start_log("debug", LogForm::server);
  const std::vector<std::string> lines = written(say_all), ends = {"debug weft: a 1", "info weft: b", "warning weft: c",
                                                                   "error weft: d", "error weft: e"};
  ASSERT_EQ(lines.size(), ends.size());
  for (size_t i = 0; i < lines.size(); ++i) {
    EXPECT_THAT(lines[i], testing::MatchesRegex(kStamp + ends[i]));
    EXPECT_TRUE(is_server_log_line(lines[i])) << lines[i];
  }
  start_log("info", LogForm::server, 3);
  EXPECT_THAT(written([] { log_warn("f"); }),
              testing::ElementsAre(testing::MatchesRegex(kStamp + "warning weft: rank 3: f")));
}

TEST_F(Log, LevelsHideWhatIsBelowThem) {
  for (const auto& [level, lines] :
       {std::pair{"trace", 5}, {"info", 4}, {"warn", 3}, {"warning", 3}, {"error", 2}, {"off", 1}}) {
    start_log(level);
    EXPECT_EQ(written(say_all).size(), lines) << level;
    EXPECT_EQ(log_shows(LogLevel::info), lines >= 4);
  }
}

TEST_F(Log, LinesOfOtherProcessesPassAsTheyAre) {
  const std::string line = "2026-11-25T10:21:01.123Z warning weft: rank 1: {} %v";
  EXPECT_TRUE(is_server_log_line(line));
  EXPECT_EQ(written([&] { pass_log_line(line); }), std::vector<std::string>{line});
  for (const char* other : {"", "weft: x", "mpirun noticed", "2026-11-25T10:21:01Z info weft: x",
                            "2026-11-25T10:21:01.123Z loud weft: x", " 2026-11-25T10:21:01.123Z info weft: x"})
    EXPECT_FALSE(is_server_log_line(other)) << other;
}

}  // namespace
}  // namespace weft
