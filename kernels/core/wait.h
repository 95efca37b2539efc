#pragma once
// The first, awake part of every wait between threads and between ranks.
#include <sched.h>

#include <chrono>

namespace weft {

inline void cpu_relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// In a busy engine what is waited for is microseconds away; after this long a waiting thread goes to sleep.
inline constexpr std::chrono::microseconds kAwake{200};

// Polls done() for at most about kAwake; true as soon as it is. `polls`: how often before the first yield, and 16 times as often as
// between two yields, which let threads that outnumber the CPUs make progress: fewer where done() is more than a look at a word.
template <class Done>
bool poll_awake(Done done, int polls = 200) {
  const auto polled = [&](int times) {
    for (int i = 0; i < times; ++i) {
      if (done()) return true;
      cpu_relax();
    }
    return false;
  };
  if (polled(polls)) return true;
  const auto deadline = std::chrono::steady_clock::now() + kAwake;
  do {
    if (polled(polls / 16)) return true;
    sched_yield();
  } while (std::chrono::steady_clock::now() < deadline);
  return false;
}

}  // namespace weft
