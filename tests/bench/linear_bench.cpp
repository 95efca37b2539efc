// Speed of linear on SmolLM2's shapes: GB/s of weights for few rows, GFLOP/s for many, per stored type and instruction set.
// Usage: linear_bench [threads [set [filter]], set 0 is the best]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <random>
#include <string>

#include "kernels/linear/cpu_kernels.h"
#include "kernels/linear/linear.h"
#include "kernels/quant/quant.h"

namespace weft {
namespace {

struct Shape {
  int64_t k, n;
};

// Enough copies that together they do not fit a last-level cache: decode reads every weight from memory.
std::vector<PackedMatrix> make_weights(DType dtype, Shape shape, int64_t total_bytes) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 0.05f);
  std::vector<float> values(static_cast<size_t>(shape.k * shape.n));
  for (float& v : values) v = normal(random);
  std::vector<std::byte> rows(static_cast<size_t>(dtype_bytes(dtype, shape.k * shape.n)));
  quant::quantize(dtype, values.data(), rows.data(), shape.k * shape.n);
  std::vector<PackedMatrix> copies;
  for (int64_t bytes = 0; bytes < total_bytes || copies.empty(); bytes += copies.back().bytes()) {
    copies.emplace_back(shape.k, 0, shape.k);
    copies.back().append(dtype, shape.n, rows.data(), dtype_bytes(dtype, shape.k));
  }
  return copies;
}

// With one thread its own CPU time, which a busy machine disturbs least.
double now_seconds(const ThreadPool& pool) {
  timespec t;
  clock_gettime(pool.threads() == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

// The best round: on a shared machine the others only add.
double best_seconds(const std::vector<PackedMatrix>& weights, int64_t m, Shape shape, const KPlan& plan, Arithmetic a,
                    ThreadPool& pool) {
  std::vector<float> x(static_cast<size_t>(m * shape.k)), y(static_cast<size_t>(m * shape.n));
  std::mt19937 random(2);
  std::normal_distribution<float> normal;
  for (float& v : x) v = normal(random);
  Arena arena(linear_workspace(m, shape.k, plan, a, pool.threads()));
  Context context{pool, arena};
  std::vector<double> times;
  const auto start = std::chrono::steady_clock::now();
  for (int round = 0; round < 5 || std::chrono::steady_clock::now() - start < std::chrono::milliseconds(300); ++round) {
    const double begin = now_seconds(pool);
    for (const PackedMatrix& w : weights)
      linear(Tensor(y.data(), {m, shape.n}), Tensor(x.data(), {m, shape.k}), w, plan, a, context);
    times.push_back((now_seconds(pool) - begin) / static_cast<double>(weights.size()));
  }
  return *std::min_element(times.begin(), times.end());
}

void bench(DType dtype, Arithmetic a, Shape shape, ThreadPool& pool) {
  const auto cold = make_weights(dtype, shape, 100 << 20);
  const std::vector<PackedMatrix>& w = cold;
  const double bytes = static_cast<double>(w[0].bytes()), flop = 2.0 * static_cast<double>(shape.k * shape.n);
  std::printf("%-5s %-5s K %4ld N %5ld |", name(dtype), name(a), shape.k, shape.n);
  const KPlan plain = KPlan::sequential(shape.k);
  for (int64_t m : {1, 8}) {
    const double t = best_seconds(w, m, shape, plain, a, pool);
    std::printf(" M=%ld %6.1f GB/s", m, bytes / t * 1e-9);
  }
  const auto warm = make_weights(dtype, shape, 0);
  const double t = best_seconds(warm, 512, shape, plain, a, pool);
  std::printf(" | M=512 %7.1f GFLOP/s", 512 * flop / t * 1e-9);
  std::printf("\n");
  std::fflush(stdout);
}

// What two threads can read: the limit of M = 1.
void bench_read(ThreadPool& pool) {
  Buffer buffer(256 << 20);
  auto* words = reinterpret_cast<uint64_t*>(buffer.data());
  const int64_t n = buffer.bytes() / 8;
  for (int64_t i = 0; i < n; ++i) words[i] = static_cast<uint64_t>(i);
  double best = 1e9;
  std::atomic<uint64_t> sink{0};
  for (int round = 0; round < 8; ++round) {
    const double begin = now_seconds(pool);
    pool.parallel_for(n, n / pool.threads() / 64, [&](int64_t first, int64_t last, int) {
      uint64_t sums[16] = {};
      for (int64_t i = first; i + 16 <= last; i += 16)
        for (int j = 0; j < 16; ++j) sums[j] ^= words[i + j];
      for (uint64_t s : sums) sink ^= s;
    });
    best = std::min(best, now_seconds(pool) - begin);
  }
  std::printf("read %.1f GB/s (best of 8)\n", static_cast<double>(buffer.bytes()) / best * 1e-9);
}

}  // namespace
}  // namespace weft

int main(int argc, char** argv) {
  using namespace weft;
  const int threads = argc > 1 ? std::atoi(argv[1]) : available_cpus();
  const auto sets = cpu::supported_kernels();
  cpu::use_kernels(sets.at(argc > 2 ? static_cast<size_t>(std::atoi(argv[2])) : 0));
  const std::string filter = argc > 3 ? argv[3] : "";
  ThreadPool pool(threads, place_threads(threads, 0, 1));
  std::printf("threads %d, %s\n", threads, cpu::kernels().name);
  bench_read(pool);
  for (DType dtype : {DType::f32, DType::bf16, DType::f16, DType::q8_0, DType::q4_0, DType::q4_1, DType::q5_0, DType::q5_1,
                      DType::q4_K, DType::q5_K, DType::q6_K}) {
    for (Arithmetic a : {Arithmetic::f32, Arithmetic::bf16, Arithmetic::q8}) {
      if (a == Arithmetic::q8 && !is_quantised(dtype)) continue;
      if (a == Arithmetic::bf16 && dtype != DType::bf16) continue;
      if (!filter.empty() && (std::string(name(dtype)) + "/" + name(a)).find(filter) == std::string::npos) continue;
      for (Shape shape : {Shape{576, 960}, Shape{576, 3072}, Shape{1536, 576}, Shape{576, 49152}})
        if (shape.k % dtype_info(dtype).block_elements == 0) bench(dtype, a, shape, pool);
    }
  }
}
