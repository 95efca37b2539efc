#pragma once
// Threads for work that grows with the size of a request: reading it, chat templates, tokenizing. The threads that speak to
// clients never do it, so a long prompt delays neither health checks nor other streams.
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace weft {

// What waits is bounded by the bytes of its requests; one of fewer than small_job_bytes counts as that many.
constexpr size_t small_job_bytes = 64 << 10, max_waiting_bytes = 128 << 20;

// One thread takes small jobs only: whatever the long ones are, a short prompt waits for short ones.
class WorkPool {
 public:
  explicit WorkPool(int threads);  // at least 2
  ~WorkPool();                     // after the jobs that wait

  // Runs the job, which must not throw, some time later. False: too much waits already, and the job is gone.
  bool run(size_t bytes, std::function<void()> job);

 private:
  struct Job {
    size_t bytes;
    std::function<void()> run;
  };
  void work(bool small_only);
  std::deque<Job>* next(bool small_only);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> small_, large_;
  size_t waiting_bytes_ = 0;
  bool closed_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace weft
