#pragma once
// The order in which a matrix product sums along K. Canonical order (docs/arithmetic.md): K is cut into units that do not
// depend on the number of ranks; a unit is summed sequentially with FMA; units are added in one fixed binary tree, of
// which a rank computes the complete subtrees it owns (parallel/canonical.h makes the plans).
#include <cstdint>
#include <vector>

namespace weft {

// A stack program. Step i sums columns [k_begin, k_end) of this rank's x, pushes the sum, then `merges` times replaces
// the top two entries (a below b) by a + b; if out >= 0 the top is popped and stored as output `out`.
struct KPlan {
  struct Step {
    int64_t k_begin, k_end;
    int merges;
    int out;
  };
  std::vector<Step> steps;
  int outputs = 0;    // number of subtrees; every output is stored once
  int max_depth = 1;  // largest stack height, <= 16

  // All of K in one sequential sum: column-parallel and unsharded products.
  static KPlan sequential(int64_t k) { return {{{0, k, 0, 0}}, 1, 1}; }
};

}  // namespace weft
