#include "kernels/core/cpu_claim.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "kernels/core/thread_pool.h"

namespace weft {
namespace {

// Numbers of CPUs that no machine has: other processes of Weft may hold real ones.
std::array<int, 4> cpus() {
  const int first = 1'000'000 + 4 * ::getpid();
  return {first, first + 1, first + 2, first + 3};
}

TEST(CpuClaim, HoldersHaveDifferentCpusOrNone) {
  const auto all = cpus();
  const CpuClaim first(all, 1);
  EXPECT_EQ(first.cpus(), std::vector<int>({all[0]}));
  {
    const CpuClaim second(all, 2);
    EXPECT_EQ(second.cpus(), std::vector<int>({all[1], all[2]}));
    EXPECT_TRUE(CpuClaim(all, 2).cpus().empty()) << "one is left";
    EXPECT_EQ(CpuClaim(all, 1).cpus(), std::vector<int>({all[3]})) << "the failed claim kept something";
  }
  EXPECT_EQ(CpuClaim(all, 3).cpus(), std::vector<int>({all[1], all[2], all[3]}));
}

TEST(CpuClaim, MovesWithItsCpus) {
  const auto all = cpus();
  CpuClaim a(all, 3);
  const CpuClaim b = std::move(a);
  EXPECT_EQ(b.cpus().size(), 3u);
  EXPECT_TRUE(CpuClaim(all, 2).cpus().empty());
  a = CpuClaim(all, 1);
  EXPECT_EQ(a.cpus(), std::vector<int>({all[3]}));
  a = {};
  EXPECT_EQ(CpuClaim(all, 1).cpus(), std::vector<int>({all[3]}));
}

TEST(CpuClaim, AKilledProcessHoldsNothing) {
  const auto all = cpus();
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const CpuClaim claim(all, 4);
    const char held = static_cast<char>(claim.cpus().size());
    if (::write(ready[1], &held, 1) == 1) ::pause();
    ::_exit(0);
  }
  char held = 0;
  ASSERT_EQ(::read(ready[0], &held, 1), 1);
  EXPECT_EQ(held, 4);
  EXPECT_TRUE(CpuClaim(all, 1).cpus().empty());
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(CpuClaim(all, 4).cpus().size(), 4u);
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST(PlaceThreads, TwoJobsOfAMachinePinToDifferentCpus) {
  const CpuClaim one = place_threads(1, 0, 1), other = place_threads(1, 0, 1);
  for (const int cpu : one.cpus()) EXPECT_EQ(std::ranges::count(other.cpus(), cpu), 0);
  EXPECT_TRUE(place_threads(affinity_cpus() + 1, 0, 1).cpus().empty());
}

}  // namespace
}  // namespace weft
