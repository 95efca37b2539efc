#pragma once
// A fixed set of pinned threads for CPU ops. The calling thread is thread 0. Between parallel regions the others spin for
// a bounded time (a decode step has hundreds of regions a few microseconds apart), then sleep on a futex.
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <type_traits>
#include <vector>

namespace weft {

// CPUs for the `threads` threads of local rank `local_rank`, out of this process's affinity mask; empty = do not pin
// (the ranks of this host want more threads than there are CPUs, or WEFT_PIN=0).
std::vector<int> place_threads(int threads, int local_rank, int local_size);

// CPUs in this process's affinity mask.
int available_cpus();

class ThreadPool {
 public:
  explicit ThreadPool(int threads, const std::vector<int>& cpus = {});
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Runs fn(thread) once on every thread and waits. Not reentrant; fn must not throw.
  template <class Fn>
  void run(Fn&& fn) {
    using F = std::remove_reference_t<Fn>;
    run_erased([](void* f, int thread) { (*static_cast<F*>(f))(thread); }, const_cast<void*>(static_cast<const void*>(&fn)));
  }

  // Calls fn(begin, end, thread) over [0, n) in pieces of `grain`, handed out in order as threads become free.
  // n <= grain runs inline on the caller.
  template <class Fn>
  void parallel_for(int64_t n, int64_t grain, Fn&& fn) {
    if (n <= 0) return;
    if (n <= grain || workers_.empty()) return fn(int64_t{0}, n, 0);
    std::atomic<int64_t> next{0};
    run([&](int thread) {
      for (int64_t begin; (begin = next.fetch_add(grain, std::memory_order_relaxed)) < n;)
        fn(begin, begin + grain < n ? begin + grain : n, thread);
    });
  }

 private:
  using Job = void (*)(void* fn, int thread);
  void run_erased(Job job, void* fn);
  void work(int thread, int cpu);

  std::vector<std::thread> workers_;
  Job job_ = nullptr;
  void* fn_ = nullptr;
  alignas(64) std::atomic<uint32_t> epoch_{0};    // odd-even irrelevant: each increment is one job
  alignas(64) std::atomic<int> running_{0};
  bool stop_ = false;
};

}  // namespace weft
