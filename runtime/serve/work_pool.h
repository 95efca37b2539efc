#pragma once
// Threads for work that grows with the size of requests and answers: reading, chat templates, tokenizing, detokenising. The
// threads that speak to clients and to the engine never do it, so a long prompt delays neither health checks nor streams.
#include <array>
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

// One thread takes urgent jobs only and another one urgent and small ones: streams never wait for prompts, nor short prompts
// for long ones.
class WorkPool {
 public:
  explicit WorkPool(int threads);  // at least 3
  ~WorkPool();                     // after the jobs that wait

  // Runs the job, which must not throw, some time later. False: too much waits already, and the job is gone.
  bool run(size_t bytes, std::function<void()> job);
  // Ahead of all others. The caller bounds how many wait.
  void run_urgent(std::function<void()> job);

 private:
  struct Job {
    size_t bytes;
    std::function<void()> run;
  };
  enum Kind : size_t { urgent, small, large };
  void work(Kind longest);
  std::deque<Job>* next(Kind longest);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::array<std::deque<Job>, 3> waiting_;  // by kind
  size_t waiting_bytes_ = 0;
  bool closed_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace weft
