#include "kernels/core/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "kernels/core/check.h"
#include "kernels/core/host_limits.h"
#include "kernels/core/wait.h"

namespace weft {
namespace {

constexpr int kPolls = 2000;  // of one word

std::vector<int> affinity_mask() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cpus;
  if (sched_getaffinity(0, sizeof set, &set) == 0)
    for (int i = 0; i < CPU_SETSIZE; ++i)
      if (CPU_ISSET(i, &set)) cpus.push_back(i);
  if (cpus.empty()) cpus.push_back(0);
  return cpus;
}

void pin_this_thread(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  sched_setaffinity(0, sizeof set, &set);  // refused in some containers: then the thread just stays unpinned
}

}  // namespace

int affinity_cpus() { return static_cast<int>(affinity_mask().size()); }

int available_cpus() { return static_cast<int>(std::clamp(cpu_quota(), 1.0, static_cast<double>(affinity_cpus()))); }

CpuClaim place_threads(int threads, int local_rank, int local_size) {
  const char* pin = std::getenv("WEFT_PIN");
  if (pin && std::string_view(pin) == "0") return {};
  std::vector<int> cpus = affinity_mask();
  // A foreign launcher may already have given each rank its own CPUs; then every rank's mask is its own share.
  const bool own_mask = static_cast<int>(cpus.size()) == threads;
  if (!own_mask && local_size * threads > static_cast<int>(cpus.size())) return {};
  if (!own_mask) std::rotate(cpus.begin(), cpus.begin() + local_rank * threads, cpus.end());  // ranks start to look apart
  return {cpus, threads};
}

ThreadPool::ThreadPool(int threads, CpuClaim claim) : cpus_(std::move(claim)), shares_(std::max(threads, 1)) {
  WEFT_CHECK(threads >= 1, threads);
  const std::vector<int>& cpus = cpus_.cpus();
  if (!cpus.empty()) pin_this_thread(cpus[0]);
  for (int i = 1; i < threads; ++i)
    workers_.emplace_back([this, i, cpu = cpus.empty() ? -1 : cpus[i]] { work(i, cpu); });
}

ThreadPool::~ThreadPool() {
  call_.stop = true;
  call_.epoch.fetch_add(1, std::memory_order_release);
  call_.epoch.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run_erased(Job job, void* fn) {
  if (workers_.empty()) return job(fn, 0);
  call_.job = job;
  call_.fn = fn;
  const uint32_t epoch = call_.epoch.fetch_add(1, std::memory_order_release) + 1;
  call_.epoch.notify_all();
  job(fn, 0);
  const uint32_t all = epoch * static_cast<uint32_t>(workers_.size());
  while (!poll_awake([&] { return finished_.load(std::memory_order_acquire) == all; }, kPolls)) {
  }
}

void ThreadPool::work(int thread, int cpu) {
  if (cpu >= 0) pin_this_thread(cpu);
  for (uint32_t seen = 0;; ++seen) {
    if (!poll_awake([&] { return call_.epoch.load(std::memory_order_acquire) != seen; }, kPolls))
      call_.epoch.wait(seen, std::memory_order_acquire);
    if (call_.stop) return;
    call_.job(call_.fn, thread);
    finished_.fetch_add(1, std::memory_order_release);
  }
}

}  // namespace weft
