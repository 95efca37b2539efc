#include "kernels/core/log.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

namespace weft {
namespace {

const std::string kStamp = "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9][.][0-9]{3}Z ";

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> written(const std::function<void()>& fn) {
  testing::internal::CaptureStderr();
  fn();
  finish_log();
  return lines_of(testing::internal::GetCapturedStderr());
}

void say_all() {
  log_debug("a ", 1);
  log_info("b");
  log_warn("c");
  log_error("d");
  log_failure("e");
}

// Bad flags are told before the log is started.
TEST(LogBeforeItsStart, IsOfACommand) {
  EXPECT_EXIT((log_failure("x"), std::_Exit(7)), testing::ExitedWithCode(7), "^weft: x\n$");
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

// A stderr that takes only a page, as long as it lives.
class Pipe {
 public:
  Pipe() {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    reader_ = ends[0];
    ::fcntl(ends[1], F_SETPIPE_SZ, 4096);
    ::dup2(ends[1], STDERR_FILENO);
    ::close(ends[1]);
  }
  ~Pipe() {
    ::dup2(usual_, STDERR_FILENO);
    ::close(usual_);
    ::close(reader_);
  }
  // All lines until `last`.
  std::vector<std::string> read(const std::string& last) {
    std::string text;
    char buffer[4096];
    while (!text.ends_with(last + "\n")) {
      const ssize_t bytes = ::read(reader_, buffer, sizeof buffer);
      EXPECT_GT(bytes, 0);
      text.append(buffer, static_cast<size_t>(bytes));
    }
    return lines_of(text);
  }

 private:
  int usual_ = ::dup(STDERR_FILENO), reader_ = -1;
};

TEST_F(Log, NobodyWaitsForAReaderThatDoesNotRead) {
  start_log("info", LogForm::server);
  for (const bool blocking : {true, false}) {
    Pipe pipe;
    if (!blocking) ::fcntl(STDERR_FILENO, F_SETFL, O_NONBLOCK);
    const auto begin = std::chrono::steady_clock::now();
    constexpr int given = 20'000;
    for (int i = 1; i <= given; ++i) log_info("line ", i);
    finish_log();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(3));

    const std::vector<std::string> lines = pipe.read(cat("line ", given));
    int missing = 0, told = 0;
    for (const std::string& line : lines) {
      static const std::regex gap("Z warning weft: (\\d+) lines of the log are missing here");
      if (std::smatch found; std::regex_search(line, found, gap)) missing += std::stoi(found[1]), ++told;
    }
    EXPECT_GE(told, 1);
    EXPECT_EQ(lines.size() - static_cast<size_t>(told) + static_cast<size_t>(missing), given);
  }
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
