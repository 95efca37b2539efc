// Read bandwidth of the memory: the ceiling of decoding, which reads every weight once a token.
// Usage: read_bandwidth [threads [MiB]]     prints GB/s, the median of 15 passes of `threads` pinned threads
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>

#include <algorithm>
#include <barrier>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <thread>
#include <vector>

namespace {

constexpr int kPasses = 15;

std::vector<int> allowed_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  sched_getaffinity(0, sizeof set, &set);
  std::vector<int> cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  return cpus;
}

void pin_to(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

// Several independent sums, so that the loads and not the additions set the pace.
uint64_t sum(const uint64_t* data, size_t n) {
  uint64_t lanes[32] = {};
  for (size_t i = 0; i < n; i += 32)
    for (size_t lane = 0; lane < 32; ++lane) lanes[lane] += data[i + lane];
  uint64_t total = 0;
  for (const uint64_t lane : lanes) total += lane;
  return total;
}

// As the weights lie: with pages of 4 KiB the look-ups of their addresses cost a third of the bandwidth.
std::span<uint64_t> in_huge_pages(size_t words) {
  void* memory = mmap(nullptr, words * 8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) std::abort();
  madvise(memory, words * 8, MADV_HUGEPAGE);
  return {static_cast<uint64_t*>(memory), words};
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<int> cpus = allowed_cpus();
  const int threads = argc > 1 ? std::atoi(argv[1]) : static_cast<int>(cpus.size());
  const size_t mib = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 512;
  if (threads < 1 || threads > 4096 || mib < 1 || mib > 1 << 20) {
    std::fprintf(stderr, "usage: read_bandwidth [threads [MiB]]\n");
    return 2;
  }
  const size_t share = (mib << 20) / threads / 256 * 32;  // 8-byte words a thread, whole groups of 32
  std::barrier sync(threads);
  std::vector<double> seconds;
  std::vector<uint64_t> sums(threads);
  std::vector<std::thread> pool;
  for (int t = 0; t < threads; ++t) {
    pool.emplace_back([&, t] {
      pin_to(cpus[t % cpus.size()]);
      const std::span<uint64_t> data = in_huge_pages(share);
      std::fill(data.begin(), data.end(), t + 1);  // touched by the thread that reads it
      for (int pass = 0; pass <= kPasses; ++pass) {
        sync.arrive_and_wait();
        const auto start = std::chrono::steady_clock::now();
        sums[t] += sum(data.data(), share);
        sync.arrive_and_wait();
        if (t == 0 && pass > 0)
          seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
      }
    });
  }
  for (std::thread& thread : pool) thread.join();
  for (int t = 0; t < threads; ++t)
    if (sums[t] != share * (kPasses + 1) * (t + 1)) return 1;  // and the sums are not optimised away
  std::sort(seconds.begin(), seconds.end());
  std::printf("%.2f\n", static_cast<double>(share) * threads * 8 / seconds[kPasses / 2] / 1e9);
}
