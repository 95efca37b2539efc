#include "kernels/cases/op_case.h"

#include <cmath>
#include <cstring>

namespace weft::test {

Tensor Inputs::empty(DType dtype, std::initializer_list<int64_t> dims) {
  Tensor view(nullptr, dtype, dims);
  view.data = buffers_.emplace_back(view.bytes()).data();
  return view;
}

Tensor Inputs::normal(std::initializer_list<int64_t> dims, float scale) {
  const Tensor x = empty(DType::f32, dims);
  std::normal_distribution<float> value(0, scale);
  for (int64_t i = 0; i < x.elements(); ++i) x.as<float>()[i] = value(random_) * (random_() % 64 == 0 ? 30.0f : 1.0f);
  return x;
}

Tensor Inputs::integers(std::initializer_list<int64_t> dims, int32_t begin, int32_t end) {
  const Tensor x = empty(DType::i32, dims);
  std::uniform_int_distribution<int32_t> value(begin, end - 1);
  for (int64_t i = 0; i < x.elements(); ++i) x.as<int32_t>()[i] = value(random_);
  return x;
}

Tensor Inputs::copy(const Tensor& source) {
  Tensor other = source;
  other.data = buffers_.emplace_back(source.bytes()).data();
  if (source.bytes() > 0) std::memcpy(other.data, source.data, static_cast<size_t>(source.bytes()));
  return other;
}

std::vector<std::string> run_case(const OpCase& op_case, Backend backend, int threads, uint64_t seed) {
  Inputs inputs(seed);
  const OpRun run = op_case.make(inputs);
  ThreadPool pool(threads);
  Arena workspace(op_case.workspace);
  Context context{pool, workspace};
  run.reset();
  run.run(backend, context);
  std::vector<std::string> outputs;
  for (const Tensor& x : run.outputs)
    outputs.emplace_back(reinterpret_cast<const char*>(x.data), static_cast<size_t>(x.bytes()));
  return outputs;
}

namespace {

// First mismatches of one row of f32 values.
void compare_row(std::ostream& report, int64_t row, std::span<const float> got, std::span<const float> want, double tolerance) {
  double largest = 0;
  for (float x : want)
    if (std::isfinite(x)) largest = std::max(largest, std::fabs(double{x}));
  for (size_t i = 0; i < want.size(); ++i) {
    const bool same = std::memcmp(&got[i], &want[i], sizeof(float)) == 0 || (std::isnan(got[i]) && std::isnan(want[i]));
    if (same || std::fabs(double{got[i]} - want[i]) <= tolerance * largest) continue;
    report << "row " << row << " column " << i << ": " << got[i] << ", ref " << want[i] << " (row's largest " << largest
           << ", tolerance " << tolerance << ")\n";
    return;
  }
}

}  // namespace

std::string compare_with_ref(const OpCase& op_case, int threads, uint64_t seed) {
  Inputs shapes(seed);
  const std::vector<Tensor> views = op_case.make(shapes).outputs;
  const std::vector<std::string> got = run_case(op_case, Backend::cpu, threads, seed);
  const std::vector<std::string> want = run_case(op_case, Backend::ref, 1, seed);
  std::ostringstream report;
  for (size_t i = 0; i < views.size(); ++i) {
    if (op_case.tolerance == 0 || views[i].dtype != DType::f32) {
      if (got[i] != want[i]) report << "output " << i << ": bytes differ\n";
      continue;
    }
    const int64_t n = views[i].dim(-1), rows = n ? views[i].elements() / n : 0;
    const auto* a = reinterpret_cast<const float*>(got[i].data());
    const auto* b = reinterpret_cast<const float*>(want[i].data());
    for (int64_t r = 0; r < rows; ++r)
      compare_row(report, r, {a + r * n, static_cast<size_t>(n)}, {b + r * n, static_cast<size_t>(n)}, op_case.tolerance);
  }
  return report.str().substr(0, 2000);
}

}  // namespace weft::test
