// Cases of fingerprint, over a slice that does not begin at 0.
#include "kernels/fingerprint/fingerprint.h"
#include "kernels/cases/op_case.h"

namespace weft::test {

void add_fingerprint_cases(std::vector<OpCase>& cases) {
  for (const auto& [rows, n] : {std::pair<int64_t, int64_t>{1, 1}, {3, 37}, {2, 20000}, {1, 151936}})
    cases.push_back({.name = cat("fingerprint/", rows, "x", n),
                     .bytes = 4.0 * static_cast<double>(rows * n),
                     .make = [=](Inputs& in) -> OpRun {
                       const Tensor logits = in.normal({rows, n}), positions = in.integers({rows}, 0, 1 << 30);
                       const Tensor sums = in.empty(DType::i32, {rows, 2});
                       return {{sums}, [=](Backend b, Context& c) {
                                 pick(b, ref::fingerprint, fingerprint)(sums, logits, positions, 12345, c);
                               }};
                     }});
}

}  // namespace weft::test
