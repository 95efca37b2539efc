#pragma once
// The first, awake part of every wait between ranks.
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

// In a busy engine the next message is microseconds away; after this long a waiting rank goes to sleep.
inline constexpr std::chrono::microseconds kAwake{200};

// Polls done() for at most kAwake; true as soon as it is. Yields in between, so that ranks which outnumber
// the CPUs make progress.
template <class Done>
bool poll_awake(Done done) {
  for (int i = 0; i < 200; ++i) {
    if (done()) return true;
    cpu_relax();
  }
  const auto deadline = std::chrono::steady_clock::now() + kAwake;
  do {
    for (int i = 0; i < 16; ++i) {
      if (done()) return true;
      cpu_relax();
    }
    sched_yield();
  } while (std::chrono::steady_clock::now() < deadline);
  return false;
}

}  // namespace weft
