// What a progress line says and when; that short work and a pipe stay silent is seen by every end-to-end test.
#include "kernels/core/progress.h"

#include <gtest/gtest.h>

namespace weft {
namespace {

constexpr int64_t kGiB = int64_t{1} << 30;

TEST(Progress, TellsShareAmountRateAndTimeLeft) {
  EXPECT_EQ(progress_line("loading m", "bytes", kGiB, 4 * kGiB, 2), "loading m 25 % (1 of 4 GiB), 512 MiB/s, 6 s left");
  EXPECT_EQ(progress_line("loading m", "bytes", 0, kGiB, 3), "loading m 0 % (0 of 1 GiB), 0 B/s");
  EXPECT_EQ(progress_line("answering", "prompts", 30, 120, 20),
            "answering 25 % (30 of 120 prompts), 1.5 prompts/s, 60 s left");
  EXPECT_EQ(progress_line("loading m", "bytes", 0, 0, 3), "loading m 100 % (0 of 0 B), 0 B/s");
}

TEST(Progress, ComesOftenOnATerminalAndSeldomInALog) {
  ProgressPace terminal(true), log(false);
  EXPECT_FALSE(terminal.due(1.99));
  EXPECT_TRUE(terminal.due(2));
  EXPECT_FALSE(terminal.due(2.1));
  EXPECT_TRUE(terminal.due(2.2));
  EXPECT_FALSE(log.due(9.9));
  EXPECT_TRUE(log.due(12));
  EXPECT_FALSE(log.due(21.9));
  EXPECT_TRUE(log.due(22));
}

}  // namespace
}  // namespace weft
