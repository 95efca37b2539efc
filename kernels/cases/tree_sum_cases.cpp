// Cases of tree_sum and add_bias.
#include "kernels/add_bias/add_bias.h"
#include "kernels/tree_sum/tree_sum.h"
#include "kernels/cases/op_case.h"

namespace weft::test {
namespace {

OpCase tree_case(std::string name, int64_t rows, int64_t n, std::vector<int> parts_of_rank, std::vector<int> merges) {
  const auto parts = std::ssize(merges);
  return {.name = cat("tree_sum/", name, "_", rows, "x", n),
          .tolerance = rounding(parts),
          .bytes = 4.0 * (parts + 1) * rows * n,
          .flops = 1.0 * (parts - 1) * rows * n,
          .make = [=](Inputs& in) -> OpRun {
            const Tensor from = in.normal({parts * rows * n}), out = in.empty(DType::f32, {rows, n});
            return {{out},
                    [=](Backend b, Context& c) { pick(b, ref::tree_sum, tree_sum)(out, from, parts_of_rank, merges, c); }};
          }};
}

// x is a slice of wider rows.
OpCase bias_case(int64_t rows, int64_t n) {
  return {.name = cat("add_bias/", rows, "x", n),
          .bytes = 8.0 * rows * n,
          .flops = 1.0 * rows * n,
          .make = [=](Inputs& in) -> OpRun {
            const Tensor before = in.normal({rows, n + 3}), whole = in.copy(before), bias = in.normal({n});
            const Tensor x = whole.narrow(1, 1, n + 1);
            return {{whole},
                    [=](Backend b, Context& c) { pick(b, ref::add_bias, add_bias)(x, bias, c); },
                    [=] { std::copy_n(before.as<float>(), before.elements(), whole.as<float>()); }};
          }};
}

}  // namespace

void add_tree_sum_cases(std::vector<OpCase>& cases) {
  for (const auto& [rows, n] : {std::pair{0, 8}, {1, 1}, {3, 577}, {64, 576}}) {
    cases.push_back(tree_case("one_part", rows, n, {1}, {0}));
    cases.push_back(tree_case("two_ranks", rows, n, {1, 1}, {0, 1}));
    cases.push_back(tree_case("uneven", rows, n, {2, 0, 3}, {0, 0, 1, 1, 2}));
    cases.push_back(tree_case("one_chain", rows, n, {1, 4, 2}, {0, 1, 1, 1, 1, 1, 1}));
    cases.push_back(bias_case(rows, n));
  }
}

}  // namespace weft::test
