#include "launcher/bench_ops.h"

#include "kernels/core/thread_pool.h"
#include "parallel/comm_bench.h"
#include "tests/support/op_case.h"

namespace weft {

int run_bench_ops(const BenchOpsOptions& options) {
  return test::run_op_benchmarks(options.filter, options.threads ? options.threads : available_cpus(), options.json);
}

int run_bench_comm(const BenchCommOptions& options) {
  RankComm ranks = under_mpi_launcher() ? mpi_rank() : single_rank();
  return run_comm_benchmarks(ranks, options.json);
}

}  // namespace weft
