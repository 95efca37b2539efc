#pragma once
// `weft bench ops`: the cases of the op harness, timed against what this machine can do at best.
#include <cstdint>
#include <functional>
#include <string>

namespace weft::test {

struct MachineLimits {
  double bytes_per_s, flops_per_s;  // reading memory; f32, a fused multiply-add counts as two
};
MachineLimits measure_limits(int threads);

struct OpTiming {
  std::string name;
  double bytes, flops;
  double seconds, least, most;  // of a run: median, minimum and maximum
  double share_of_limit;        // the time the machine's limits allow, over the time taken
  uint64_t fingerprint;         // XXH3-64 of the outputs
};
// All cases whose name contains `filter`, until `tell` returns false.
void bench_ops(const std::string& filter, int threads, const MachineLimits& limits,
               const std::function<bool(const OpTiming&)>& tell);

}  // namespace weft::test
