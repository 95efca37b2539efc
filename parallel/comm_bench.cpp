#include "parallel/comm_bench.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <functional>

namespace weft {
namespace {

using Clock = std::chrono::steady_clock;

struct Operation {
  const char* name;
  double bus_factor;                       // busbw / algbw
  std::function<void(int64_t bytes)> run;  // one collective
};

// Seconds a collective takes: the median of nine batches.
double measure(const Operation& operation, int64_t bytes) {
  const int repetitions = static_cast<int>(std::clamp<int64_t>((8 << 20) / bytes, 4, 400));
  std::array<double, 9> batches;
  operation.run(bytes);
  for (double& seconds : batches) {
    const Clock::time_point begin = Clock::now();
    for (int i = 0; i < repetitions; ++i) operation.run(bytes);
    seconds = std::chrono::duration<double>(Clock::now() - begin).count() / repetitions;
  }
  std::nth_element(batches.begin(), batches.begin() + batches.size() / 2, batches.end());
  return batches[batches.size() / 2];
}

}  // namespace

int run_comm_benchmarks(RankComm& ranks, bool json) {
  Communicator& comm = *ranks.tensors;
  const int n = comm.size();
  const std::array<int64_t, 9> sizes{1 << 10, 2304, 9216, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 2 << 20, 4 << 20};
  std::vector<std::byte> send(sizes.back()), recv(sizes.back());
  std::vector<int64_t> counts(n);
  const auto share = [&](int64_t bytes) {
    std::fill(counts.begin(), counts.end(), bytes / n);
    return static_cast<size_t>(bytes / n);
  };
  const double ring = static_cast<double>(n - 1) / n;
  const std::array<Operation, 3> operations{{
      {"all_gather_v", ring,
       [&](int64_t bytes) {
         const size_t piece = share(bytes);
         comm.all_gather_v({recv.data(), piece * n}, {send.data(), piece}, counts);
       }},
      {"all_to_all_v", ring,
       [&](int64_t bytes) {
         const size_t piece = share(bytes);
         comm.all_to_all_v({recv.data(), piece * n}, counts, {send.data(), piece * n}, counts);
       }},
      {"broadcast", 1.0,
       [&](int64_t bytes) {
         comm.broadcast({recv.data(), static_cast<size_t>(bytes)}, 0);
       }},
  }};
  if (comm.rank() == 0 && !json) {
    std::printf("%d ranks, %d on this machine\n%-14s %10s %12s %12s %12s\n", n, ranks.local_size, "operation", "bytes", "us",
                "algbw GB/s", "busbw GB/s");
  }
  for (const Operation& operation : operations) {
    for (const int64_t bytes : sizes) {
      const double seconds = measure(operation, bytes), algbw = bytes / seconds * 1e-9;
      if (comm.rank() != 0) continue;
      std::printf(json ? "{\"op\": \"%s\", \"bytes\": %lld, \"us\": %.3f, \"algbw_gb_s\": %.3f, \"busbw_gb_s\": %.3f, "
                         "\"ranks\": %d}\n"
                       : "%-14s %10lld %12.2f %12.2f %12.2f\n",
                  operation.name, static_cast<long long>(bytes), seconds * 1e6, algbw, algbw * operation.bus_factor, n);
    }
  }
  return 0;
}

}  // namespace weft
