#include "launcher/bench_ops.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "kernels/core/thread_pool.h"
#include "launcher/job.h"
#include "runtime/engine/fingerprint.h"
#include "kernels/cases/op_bench.h"

namespace weft {

int run_bench_ops(const BenchOpsOptions& options, Report report) {
  if (!speaks_for_job()) return 0;  // one process measures the machine, whatever mpirun started
  const int threads = options.threads ? options.threads : available_cpus();
  const test::MachineLimits limits = test::measure_limits(threads);
  if (report.is_text()) {
    std::printf("%d threads; limits measured here: read %.1f GB/s, f32 FMA %.0f GFLOP/s\n", threads,
                limits.bytes_per_s * 1e-9, limits.flops_per_s * 1e-9);
    std::printf("Data of small cases stays in caches, so their share of the memory limit can pass 100 %%.\n\n");
    std::printf("%-48s %10s %9s %9s %7s  %s\n", "case", "us", "GB/s", "GFLOP/s", "limit", "fingerprint");
  }
  test::bench_ops(options.filter, threads, limits, [&](const test::OpTiming& t) {
    const double gb = t.bytes / t.seconds * 1e-9, gflop = t.flops / t.seconds * 1e-9;
    if (report.is_text())
      std::printf("%-48s %10.2f %9.2f %9.2f %6.0f%%  %s\n", t.name.c_str(), t.seconds * 1e6, gb, gflop,
                  100 * t.share_of_limit, fingerprint_text(t.fingerprint).c_str());
    else
      report.row({{"case", t.name},
                  {"threads", threads},
                  {"us", t.seconds * 1e6},
                  {"us_min", t.least * 1e6},
                  {"us_max", t.most * 1e6},
                  {"gb_per_s", gb},
                  {"gflop_per_s", gflop},
                  {"share_of_limit", t.share_of_limit},
                  {"read_bytes_per_s", limits.bytes_per_s},
                  {"fma_flops_per_s", limits.flops_per_s},
                  {"fingerprint", fingerprint_text(t.fingerprint)}});
    return !std::ferror(stdout);  // nobody reads on
  });
  return 0;
}

int run_bench_comm(const CommBenchPlan& plan, Report report) {
  RankComm ranks = join_job();
  const int n = ranks.host->size();
  if (ranks.host->rank() == 0 && report.is_text())
    std::printf(
        "%d ranks, %d on this machine; medians of 9 batches; ! marks a size of which some batch took over twice the median\n"
        "%-14s %10s %12s %12s %12s %12s %12s\n",
        n, ranks.local_size, "operation", "bytes", "us", "us min", "us max", "algbw GB/s", "busbw GB/s");
  bench_collectives(ranks, plan, [&](const CommTiming& t) {
    const double algbw = t.algorithm_bandwidth * 1e-9, busbw = t.bus_bandwidth * 1e-9;
    if (report.is_text())
      std::printf("%-14s %10lld %12.2f %12.2f %12.2f %12.2f %12.2f%s\n", t.operation, static_cast<long long>(t.bytes),
                  t.seconds * 1e6, t.least * 1e6, t.most * 1e6, algbw, busbw, t.outliers ? " !" : "");
    else
      report.row({{"op", t.operation},
                  {"bytes", t.bytes},
                  {"ranks", n},
                  {"local_ranks", ranks.local_size},
                  {"us", t.seconds * 1e6},
                  {"us_min", t.least * 1e6},
                  {"us_max", t.most * 1e6},
                  {"outliers", t.outliers},
                  {"algbw_gb_s", algbw},
                  {"busbw_gb_s", busbw}});
  });
  return 0;
}

}  // namespace weft
