#pragma once
// Benchmarks below the model: ops and collectives.
#include <string>

#include "launcher/report.h"
#include "parallel/comm_bench.h"

namespace weft {

struct BenchOpsOptions {
  std::string filter;
  int threads = 0;  // 0: all CPUs
};
int run_bench_ops(const BenchOpsOptions& options, Report report);

int run_bench_comm(const CommBenchPlan& plan, Report report);

}  // namespace weft
