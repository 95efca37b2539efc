#include "parallel/comm_bench.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <span>

namespace weft {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kBatches = 9;

struct Operation {
  const char* name;
  double bus_factor;                      // busbw / algbw
  std::function<void(size_t piece)> run;  // one collective; piece: bytes of one rank
};

CommTiming measure(const Operation& operation, size_t piece, int64_t bytes, int iterations) {
  if (iterations == 0) iterations = static_cast<int>(std::clamp<int64_t>((8 << 20) / bytes, 4, 400));
  std::array<double, kBatches> batches;
  operation.run(piece);
  for (double& seconds : batches) {
    const Clock::time_point begin = Clock::now();
    for (int i = 0; i < iterations; ++i) operation.run(piece);
    seconds = std::chrono::duration<double>(Clock::now() - begin).count() / iterations;
  }
  std::sort(batches.begin(), batches.end());
  const double median = batches[kBatches / 2], rate = bytes / median;
  const auto outliers = std::count_if(batches.begin(), batches.end(), [&](double t) { return t > 2 * median; });
  return {operation.name, bytes,
          median,         batches.front(),
          batches.back(), static_cast<int>(outliers),
          rate,           rate * operation.bus_factor};
}

}  // namespace

void bench_collectives(RankComm& ranks, const CommBenchPlan& plan, const std::function<void(const CommTiming&)>& tell) {
  Communicator& comm = *ranks.tensors;
  const size_t n = comm.size(), unit = n * sizeof(float);
  size_t largest = unit;
  for (const int64_t bytes : plan.sizes) largest = std::max(largest, static_cast<size_t>(bytes) / unit * unit);
  std::vector<std::byte> send(largest), recv(largest);
  std::vector<int64_t> counts(n);

  const auto broadcast = [&](size_t piece) { comm.broadcast({recv.data(), piece * n}, 0); };
  const auto all_gather_v = [&](size_t piece) {
    std::fill(counts.begin(), counts.end(), piece);
    comm.all_gather_v({recv.data(), piece * n}, {send.data(), piece}, counts);
  };
  const auto all_to_all_v = [&](size_t piece) {
    std::fill(counts.begin(), counts.end(), piece);
    comm.all_to_all_v({recv.data(), piece * n}, counts, {send.data(), piece * n}, counts);
  };
  const auto reduce_scatter = [&](size_t piece) {
    all_to_all_v(piece);
    const size_t floats = piece / sizeof(float);
    const auto* pieces = reinterpret_cast<const float*>(recv.data());
    auto* sum = reinterpret_cast<float*>(send.data());
    std::copy_n(pieces, floats, sum);
    for (size_t r = 1; r < n; ++r)
      for (size_t i = 0; i < floats; ++i) sum[i] += pieces[r * floats + i];
  };
  const auto all_reduce = [&](size_t piece) {
    reduce_scatter(piece);
    all_gather_v(piece);
  };

  const double ring = static_cast<double>(n - 1) / static_cast<double>(n);
  const std::array<Operation, 5> operations{{{"all_gather_v", ring, all_gather_v},
                                             {"all_to_all_v", ring, all_to_all_v},
                                             {"broadcast", 1, broadcast},
                                             {"reduce_scatter", ring, reduce_scatter},
                                             {"all_reduce", 2 * ring, all_reduce}}};
  for (const Operation& operation : operations) {
    for (const int64_t bytes : plan.sizes) {
      const size_t piece = std::max<size_t>(1, static_cast<size_t>(bytes) / unit) * sizeof(float);
      const CommTiming timing = measure(operation, piece, static_cast<int64_t>(piece * n), plan.iterations);
      if (comm.rank() == 0) tell(timing);
    }
  }
}

}  // namespace weft
