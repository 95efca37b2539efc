#pragma once
// Runs a test body as N ranks in this process.
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "parallel/communicator.h"

namespace weft {

// Calls fn(rank's connection) on n threads, one a rank. When a rank throws, the others are aborted, and the
// first error is rethrown after all have ended.
inline void run_ranks(int n, const std::function<void(RankComm&)>& fn) {
  std::vector<RankComm> ranks = thread_ranks(n);
  std::mutex mutex;
  std::exception_ptr first;
  std::vector<std::thread> threads;
  for (RankComm& rank : ranks) {
    threads.emplace_back([&, r = &rank] {
      try {
        fn(*r);
      } catch (const std::exception& error) {
        {
          std::lock_guard lock(mutex);
          if (!first) first = std::current_exception();
        }
        r->tensors->abort(error.what());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  if (first) std::rethrow_exception(first);
}

}  // namespace weft
