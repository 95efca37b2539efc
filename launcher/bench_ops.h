#pragma once
// Benchmarks below the model: ops and collectives.
#include <string>

namespace weft {

struct BenchOpsOptions {
  std::string filter;
  int threads = 0;  // 0: all CPUs
  bool json = false;
};
int run_bench_ops(const BenchOpsOptions& options);

struct BenchCommOptions {
  bool json = false;
};
int run_bench_comm(const BenchCommOptions& options);

}  // namespace weft
