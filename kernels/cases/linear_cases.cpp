// A few cases of linear and grouped_linear, for the benchmark; tests/kernels/linear tests them in depth.
#include <cmath>

#include "kernels/linear/linear.h"
#include "kernels/quant/quant.h"
#include "kernels/cases/op_case.h"

namespace weft::test {
namespace {

PackedMatrix random_matrix(Inputs& in, DType dtype, int64_t n, int64_t k) {
  const Tensor values = in.normal({n, k}, 1 / std::sqrt(static_cast<float>(k)));
  const Tensor stored = in.empty(dtype, {n, k});
  quant::quantize(dtype, values.as<float>(), stored.data, n * k);
  PackedMatrix matrix(k, 0, k);
  matrix.append(dtype, n, stored.data, dtype_bytes(dtype, k));
  return matrix;
}

OpCase linear_case(DType dtype, Arithmetic a, int64_t m, int64_t n, int64_t k) {
  const KPlan plan = KPlan::sequential(k);
  return {.name = cat("linear/", name(dtype), "_", name(a), "_", m, "x", n, "x", k),
          .tolerance = rounding(8 * k),
          .bytes = static_cast<double>(dtype_bytes(dtype, n * k)) + 4.0 * m * (n + k),
          .flops = 2.0 * m * n * k,
          .workspace = linear_workspace(m, k, plan, a, 4),
          .bench_only = m > 64,
          .make = [=](Inputs& in) -> OpRun {
            PackedMatrix& w = in.keep(random_matrix(in, dtype, n, k));
            const Tensor x = in.normal({m, k}), y = in.empty(DType::f32, {m, n});
            return {{y}, [=, &w](Backend b, Context& c) { pick(b, ref::linear, linear)(y, x, w, plan, a, c); }};
          }};
}

OpCase grouped_linear_case(DType dtype, Arithmetic a, const std::vector<int32_t>& row_offsets, int64_t n, int64_t k) {
  const int64_t m = row_offsets.back() + 1, experts = std::ssize(row_offsets) - 1;  // the last row belongs to nobody
  const KPlan plan = KPlan::sequential(k);
  return {.name = cat("grouped_linear/", name(dtype), "_", name(a), "_", m, "x", n, "x", k, "x", experts),
          .tolerance = rounding(8 * k),
          .bytes = static_cast<double>(experts * dtype_bytes(dtype, n * k)) + 4.0 * m * (n + k),
          .flops = 2.0 * m * n * k,
          .workspace = linear_workspace(m, k, plan, a, 4),
          .make = [=](Inputs& in) -> OpRun {
            auto& w = in.keep(std::vector<PackedMatrix>());
            for (int64_t e = 0; e < experts; ++e) w.push_back(random_matrix(in, dtype, n, k));
            const Tensor x = in.normal({m, k}), y = in.empty(DType::f32, {m, n});
            const Tensor offsets = in.empty(DType::i32, {experts + 1});
            std::ranges::copy(row_offsets, offsets.as<int32_t>());
            return {{y}, [=, &w](Backend b, Context& c) {
                      pick(b, ref::grouped_linear, grouped_linear)(y, x, w, offsets, plan, a, c);
                    }};
          }};
}

}  // namespace

void add_linear_cases(std::vector<OpCase>& cases) {
  using enum Arithmetic;
  for (auto [dtype, a] : {std::pair(DType::bf16, bf16), {DType::q8_0, q8}, {DType::q4_0, q8}}) {
    for (int m : {1, 8, 512}) {
      cases.push_back(linear_case(dtype, a, m, 1536, 576));
      cases.push_back(linear_case(dtype, a, m, 576, 1536));
    }
    cases.push_back(grouped_linear_case(dtype, a, {0, 3, 3, 10, 11}, 1536, 576));
  }
}

}  // namespace weft::test
