#pragma once
// A fixed set of pinned threads for CPU ops. The calling thread is thread 0. Between parallel regions the others spin for
// a bounded time (a decode step has hundreds of regions a few microseconds apart), then sleep on a futex.
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <type_traits>
#include <vector>

#include "kernels/core/cpu_claim.h"

namespace weft {

// CPUs for the `threads` threads of local rank `local_rank`, out of this process's affinity mask; none = do not pin
// (the ranks of this host want more threads than there are CPUs, other Weft processes hold them, or WEFT_PIN=0).
CpuClaim place_threads(int threads, int local_rank, int local_size);

int affinity_cpus();   // CPUs in this process's affinity mask
int available_cpus();  // those it may keep busy: no more than its cgroup's quota pays for in full, at least one

// Parallel regions this process has begun: a number that moves while it computes.
inline std::atomic<uint64_t> parallel_regions = 0;

class ThreadPool {
 public:
  explicit ThreadPool(int threads, CpuClaim cpus = {});
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

  // Calls fn(begin, end, thread) over [0, n) in pieces of `grain`. Each thread takes the pieces of its own share in order, then
  // what others have left of theirs. n <= grain runs inline on the caller.
  template <class Fn>
  void parallel_for(int64_t n, int64_t grain, Fn&& fn) {
    if (n <= 0) return;
    parallel_regions.fetch_add(1, std::memory_order_relaxed);
    if (n <= grain || workers_.empty()) return fn(int64_t{0}, n, 0);
    const int64_t pieces = (n + grain - 1) / grain;
    for (int t = 0; t < threads(); ++t) {
      shares_[t].next.store(pieces * t / threads(), std::memory_order_relaxed);
      shares_[t].end = pieces * (t + 1) / threads();
    }
    run([&, n, grain](int thread) {
      for (int i = 0; i < threads(); ++i) {
        Share& share = shares_[(thread + i) % threads()];
        while (share.next.load(std::memory_order_relaxed) < share.end) {
          const int64_t piece = share.next.fetch_add(1, std::memory_order_relaxed);
          if (piece >= share.end) break;
          fn(piece * grain, piece * grain + grain < n ? piece * grain + grain : n, thread);
        }
      }
    });
  }

 private:
  using Job = void (*)(void* fn, int thread);
  void run_erased(Job job, void* fn);
  void work(int thread, int cpu);

  // Between cores of different sockets a cache line takes up to half a microsecond, a decode step has hundreds of regions: what is
  // written together lies together, and nothing else beside it.
  struct alignas(64) Call {
    std::atomic<uint32_t> epoch = 0;  // of the newest job
    Job job = nullptr;
    void* fn = nullptr;
    bool stop = false;
  };
  struct alignas(64) Share {
    std::atomic<int64_t> next = 0;  // piece
    int64_t end = 0;
  };
  CpuClaim cpus_;
  Call call_;
  alignas(64) std::atomic<uint32_t> finished_ = 0;  // jobs, counted once for every worker
  alignas(64) std::vector<Share> shares_;
  std::vector<std::thread> workers_;
};

}  // namespace weft
