#pragma once
// Latency and bandwidth of the tensor collectives between these ranks (weft bench comm).
#include <functional>

#include "parallel/communicator.h"

namespace weft {

struct CommBenchPlan {
  std::vector<int64_t> sizes{1 << 10, 2304, 9216, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 2 << 20, 4 << 20};  // bytes
  int iterations = 0;  // calls of a batch; 0: as many as move 8 MiB, 4 to 400
};

// Seconds a call takes, over nine batches.
struct CommTiming {
  const char* operation;
  int64_t bytes;
  double seconds, least, most;                // median, minimum and maximum
  int outliers;                               // batches that took more than twice the median
  double algorithm_bandwidth, bus_bandwidth;  // bytes a second, by the formulae of nccl-tests
};

// A collective of all ranks, which must have the same plan. Rank 0 gets every timing as it is taken. bytes is what a rank
// holds at the end (all_gather_v, all_reduce), sends (all_to_all_v, reduce_scatter), or receives (broadcast). The reductions add float32
// as Weft's layers do: pieces travel to the rank that owns them, which adds them in the order of ranks; all_reduce then gathers.
// busbw = algbw * (n - 1) / n; for all_reduce twice that, for broadcast algbw. Sizes are rounded down to whole floats a rank.
void bench_collectives(RankComm& ranks, const CommBenchPlan& plan, const std::function<void(const CommTiming&)>& tell);

}  // namespace weft
