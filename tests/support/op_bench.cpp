// `weft bench ops`: the cases of the op harness, timed against what this machine can do at best.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tests/support/op_bench.cpp"
#include "kernels/core/simd_targets.h"

#include "kernels/core/simd.h"

HWY_BEFORE_NAMESPACE();
namespace weft::HWY_NAMESPACE {
namespace {

// `rounds` of 40 FMAs without memory, in as many independent chains as registers hold.
constexpr int kChains = kParts == 1 ? 10 : 5, kFmasARound = 40;
float fma_chains(int64_t rounds) {
  F32x16 acc[kChains];
  for (int i = 0; i < kChains; ++i) acc[i] = set(static_cast<float>(i));
  const F32x16 a = set(0.999f), b = set(0.5f);
  for (int64_t r = 0; r < rounds * (kFmasARound / kChains); ++r)
#pragma GCC unroll 10
    for (int i = 0; i < kChains; ++i) acc[i] = fma(acc[i], a, b);
  F32x16 all = acc[0];
  for (int i = 1; i < kChains; ++i) all = all + acc[i];
  return sum(all);
}

// Reads n floats (a multiple of 128) once.
float read_all(const float* p, int64_t n) {
  F32x16 acc[8];
  for (int i = 0; i < 8; ++i) acc[i] = zero();
  for (int64_t j = 0; j < n; j += 8 * kLanes)
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) acc[i] = acc[i] + load(p + j + i * kLanes);
  F32x16 all = acc[0];
  for (int i = 1; i < 8; ++i) all = all + acc[i];
  return sum(all);
}

}  // namespace
}  // namespace weft::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <xxhash.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "tests/support/op_case.h"

namespace weft {

HWY_EXPORT(fma_chains);
HWY_EXPORT(read_all);

namespace test {
namespace {

template <class Fn>
double seconds(Fn&& fn) {
  const auto start = std::chrono::steady_clock::now();
  fn();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

template <class Fn>
double best_of(int times, Fn&& fn) {
  double best = seconds(fn);
  for (int i = 1; i < times; ++i) best = std::min(best, seconds(fn));
  return best;
}

struct Limits {
  double bytes_per_s, flops_per_s;
};

Limits measure_limits(ThreadPool& pool) {
  const int threads = pool.threads();
  constexpr int64_t kFloats = int64_t{32} << 20, kRounds = 1'000'000;  // 128 MiB a thread: no cache holds it
  const Buffer buffer(threads * kFloats * 4);
  auto* data = reinterpret_cast<float*>(buffer.data());
  std::atomic<float> sink{0};
  const auto read = [&] {
    pool.run([&](int t) { sink = sink + HWY_DYNAMIC_DISPATCH(read_all)(data + t * kFloats, kFloats); });
  };
  pool.run([&](int t) { std::fill_n(data + t * kFloats, kFloats, 1.0f); });  // untouched pages would all be the zero page
  const auto compute = [&] { pool.run([&](int) { sink = sink + HWY_DYNAMIC_DISPATCH(fma_chains)(kRounds); }); };
  return {threads * kFloats * 4.0 / best_of(5, read), threads * 2.0 * 16 * 40 * kRounds / best_of(3, compute)};
}

struct Timing {
  double seconds;  // median of runs
  uint64_t fingerprint;
};

Timing time_case(const OpCase& op_case, ThreadPool& pool) {
  Inputs inputs(1);
  const OpRun run = op_case.make(inputs);
  Arena workspace(op_case.workspace);
  Context context{pool, workspace};
  const auto once = [&] {
    run.reset();
    return seconds([&] { run.run(Backend::cpu, context); });
  };
  XXH3_state_t* hash = XXH3_createState();
  XXH3_64bits_reset(hash);
  const double first = once();
  for (const Tensor& x : run.outputs) XXH3_64bits_update(hash, x.data, static_cast<size_t>(x.bytes()));
  const Timing result{0, XXH3_64bits_digest(hash)};
  XXH3_freeState(hash);

  const int repeats = static_cast<int>(std::clamp(0.2 / std::max(first, 1e-7), 5.0, 2001.0));
  std::vector<double> times(repeats);
  for (double& t : times) t = once();
  std::nth_element(times.begin(), times.begin() + repeats / 2, times.end());
  return {times[repeats / 2], result.fingerprint};
}

}  // namespace

int run_op_benchmarks(const std::string& filter, int threads, bool json) {
  ThreadPool pool(threads, place_threads(threads, 0, 1));
  const Limits limits = measure_limits(pool);
  nlohmann::ordered_json results = nlohmann::ordered_json::array();
  if (!json) {
    std::printf("%d threads; limits measured here: read %.1f GB/s, f32 FMA %.0f GFLOP/s\n", threads,
                limits.bytes_per_s * 1e-9, limits.flops_per_s * 1e-9);
    std::printf("Data of small cases stays in caches, so their share of the memory limit can pass 100 %%.\n\n");
    std::printf("%-48s %10s %9s %9s %7s  %s\n", "case", "us", "GB/s", "GFLOP/s", "limit", "fingerprint");
  }
  for (const OpCase& op_case : op_cases()) {
    if (std::ferror(stdout)) break;  // nobody reads on
    if (op_case.name.find(filter) == std::string::npos) continue;
    const Timing timing = time_case(op_case, pool);
    const double bound = std::max(op_case.bytes / limits.bytes_per_s, op_case.flops / limits.flops_per_s);
    const double gb = op_case.bytes / timing.seconds * 1e-9, gflop = op_case.flops / timing.seconds * 1e-9;
    char fingerprint[17];
    std::snprintf(fingerprint, sizeof fingerprint, "%016lx", static_cast<unsigned long>(timing.fingerprint));
    if (json)
      results.push_back({{"case", op_case.name}, {"us", timing.seconds * 1e6}, {"gb_per_s", gb}, {"gflop_per_s", gflop},
                         {"share_of_limit", bound / timing.seconds}, {"fingerprint", fingerprint}});
    else
      std::printf("%-48s %10.2f %9.2f %9.2f %6.0f%%  %s\n", op_case.name.c_str(), timing.seconds * 1e6, gb, gflop,
                  100 * bound / timing.seconds, fingerprint);
  }
  if (json)
    std::printf("%s\n", nlohmann::ordered_json{{"threads", threads},
                                               {"read_bytes_per_s", limits.bytes_per_s},
                                               {"fma_flops_per_s", limits.flops_per_s},
                                               {"cases", results}}
                            .dump(1)
                            .c_str());
  return 0;
}

}  // namespace test
}  // namespace weft
#endif
