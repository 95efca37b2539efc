#include "runtime/serve/work_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

namespace weft {
namespace {

TEST(WorkPool, AShortJobDoesNotWaitForLongOnes) {
  std::promise<void> gate, done;
  const std::shared_future<void> open = gate.get_future().share();
  {
    WorkPool pool(3);
    for (int i = 0; i < 4; ++i) EXPECT_TRUE(pool.run(1 << 20, [open] { open.wait(); }));
    EXPECT_TRUE(pool.run(10, [&] { done.set_value(); }));
    EXPECT_EQ(done.get_future().wait_for(std::chrono::seconds(20)), std::future_status::ready);
    gate.set_value();
  }
}

TEST(WorkPool, AnUrgentJobWaitsForNobody) {
  std::promise<void> gate, done;
  const std::shared_future<void> open = gate.get_future().share();
  {
    WorkPool pool(3);
    for (int i = 0; i < 4; ++i)
      for (const size_t bytes : {10, 1 << 20}) EXPECT_TRUE(pool.run(bytes, [open] { open.wait(); }));
    pool.run_urgent([&] { done.set_value(); });
    EXPECT_EQ(done.get_future().wait_for(std::chrono::seconds(20)), std::future_status::ready);
    gate.set_value();
  }
}

TEST(WorkPool, WhatWaitsIsBoundedByItsBytesAndAllOfItRuns) {
  std::promise<void> gate;
  const std::shared_future<void> open = gate.get_future().share();
  std::atomic<int> ran = 0;
  int accepted = 0;
  {
    WorkPool pool(3);
    const auto job = [&ran, open] {
      open.wait();
      ++ran;
    };
    while (pool.run(16 << 20, job)) ++accepted;
    EXPECT_EQ(accepted, static_cast<int>(max_waiting_bytes >> 24));
    EXPECT_FALSE(pool.run(0, job)) << "a small one counts, too";
    gate.set_value();
  }
  EXPECT_EQ(ran, accepted);
}

}  // namespace
}  // namespace weft
