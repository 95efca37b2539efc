#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cases/op_bench.cpp"
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

#include "kernels/cases/op_bench.h"
#include "kernels/cases/op_case.h"

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

}  // namespace

MachineLimits measure_limits(int threads) {
  ThreadPool pool(threads, place_threads(threads, 0, 1));
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

namespace {

OpTiming time_case(const OpCase& op_case, ThreadPool& pool, const MachineLimits& limits) {
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
  const uint64_t fingerprint = XXH3_64bits_digest(hash);
  XXH3_freeState(hash);

  std::vector<double> times(static_cast<size_t>(std::clamp(0.2 / std::max(first, 1e-7), 5.0, 2001.0)));
  for (double& t : times) t = once();
  std::sort(times.begin(), times.end());
  const double median = times[times.size() / 2];
  const double bound = std::max(op_case.bytes / limits.bytes_per_s, op_case.flops / limits.flops_per_s);
  return {op_case.name, op_case.bytes, op_case.flops, median, times.front(), times.back(), bound / median, fingerprint};
}

}  // namespace

void bench_ops(const std::string& filter, int threads, const MachineLimits& limits, const std::function<bool(const OpTiming&)>& tell) {
  ThreadPool pool(threads, place_threads(threads, 0, 1));
  for (const OpCase& op_case : op_cases())
    if (op_case.name.find(filter) != std::string::npos && !tell(time_case(op_case, pool, limits))) break;
}

}  // namespace test
}  // namespace weft
#endif
