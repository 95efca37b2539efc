#pragma once
// The op harness. One table of cases serves the tests (every backend against `ref`, one thread against many, every
// instruction set against the others) and the benchmark `weft bench ops`. A new op adds one file, <op>_cases.cpp.
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "kernels/core/context.h"

namespace weft::test {

enum class Backend { ref, cpu };  // cpu goes through the op's dispatcher, so its checks run too

template <class Op>
Op& pick(Backend backend, Op& ref, Op& op) {
  return backend == Backend::ref ? ref : op;
}

// Seeded inputs and the memory of one case. Values are normal with a rare outlier 30 times as large: smooth noise makes
// norms and softmax trivial.
class Inputs {
 public:
  explicit Inputs(uint64_t seed) : random_(seed) {}

  Tensor empty(DType dtype, std::initializer_list<int64_t> dims);
  Tensor normal(std::initializer_list<int64_t> dims, float scale = 1);
  Tensor integers(std::initializer_list<int64_t> dims, int32_t begin, int32_t end);  // uniform in [begin, end)
  Tensor copy(const Tensor& source);
  std::mt19937_64& random() { return random_; }

  // Anything else that must live as long as the case.
  template <class T>
  T& keep(T value) {
    auto kept = std::make_shared<T>(std::move(value));
    kept_.push_back(kept);
    return *kept;
  }

 private:
  std::mt19937_64 random_;
  std::vector<Buffer> buffers_;
  std::vector<std::shared_ptr<void>> kept_;
};

struct OpRun {
  std::vector<Tensor> outputs;
  std::function<void(Backend, Context&)> run;
  std::function<void()> reset = [] {};  // before each run, not timed: restores what an op changes in place
};

struct OpCase {
  std::string name;       // "rms_norm/5x577": op/shape, letters, digits and _ x / only
  double tolerance = 0;   // largest error, in units of the largest |ref| of a row (last dimension); 0: bitwise
  double bytes = 0;       // memory one run has to touch
  double flops = 0;       // multiplies and adds it has to do
  int64_t workspace = 0;  // bytes of context.workspace with up to 4 threads
  bool bench_only = false;  // too slow for `ref`
  std::function<OpRun(Inputs&)> make;
};

std::span<const OpCase> op_cases();

// Relative error a sum of `length` f32 terms may have.
inline double rounding(int64_t length) { return 0x1p-24 * (8.0 + static_cast<double>(length)); }

// Runs one case from `seed` and returns its outputs' bytes, one string a tensor.
std::vector<std::string> run_case(const OpCase& op_case, Backend backend, int threads, uint64_t seed);

// Empty when the outputs of run_case(cpu) agree with those of run_case(ref), else the first places where they do not.
std::string compare_with_ref(const OpCase& op_case, int threads, uint64_t seed);

}  // namespace weft::test
