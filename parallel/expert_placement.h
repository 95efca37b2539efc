#pragma once
// Which ranks run which expert: data, so that uneven, redundant and balanced placements are tables. A placement over one rank (ep = 1)
// means that every rank runs all experts: on several ranks a slice of each (grouped_row_parallel).
#include <cstdint>
#include <vector>

#include "kernels/core/tensor.h"
#include "parallel/mesh.h"

namespace weft {

class ExpertPlacement {
 public:
  // ranks_of[expert]: the ranks that hold a replica of it, at least one and none twice. Of several, each computes its share of the
  // expert's tokens.
  ExpertPlacement(std::vector<std::vector<int>> ranks_of, int ranks);
  // One replica each: contiguous, as even as possible, over the first ep of `ranks` ranks; the rest own none.
  static ExpertPlacement contiguous(int n_experts, int ep, int ranks);
  static ExpertPlacement of(const Mesh& mesh, int n_experts);

  int n_experts() const { return static_cast<int>(ranks_of_.size()); }
  int ranks() const { return static_cast<int>(experts_of_.size()); }
  const std::vector<int>& ranks_of(int expert) const { return ranks_of_[static_cast<size_t>(expert)]; }
  // Global ids, ascending. With one rank: all of them, whoever asks.
  const std::vector<int>& experts_of(int rank) const { return experts_of_[ranks() == 1 ? 0 : static_cast<size_t>(rank)]; }
  // Most pairs that `rows` tokens, with k experts each, send to one rank.
  int64_t most_pairs(int64_t rows, int64_t k) const;

  // Every rank's replicas are numbered rank by rank, each rank's in the order of experts_of: the tables of the ops, i32.
  int n_instances() const { return first_of_rank_.back(); }
  int first_instance(int rank) const { return first_of_rank_[ranks() == 1 ? 0 : static_cast<size_t>(rank)]; }
  Tensor first_of_rank() const { return view(first_of_rank_, {std::ssize(first_of_rank_)}); }  // (ranks + 1)
  Tensor instances() const {
    return view(instances_, {n_experts(), most_replicas_});
  }  // (n_experts, most replicas): of each expert, then -1

 private:
  static Tensor view(const std::vector<int32_t>& values, std::initializer_list<int64_t> dims) {
    return Tensor(const_cast<int32_t*>(values.data()), dtype_of<int32_t>(), dims);
  }

  std::vector<std::vector<int>> ranks_of_, experts_of_;
  std::vector<int32_t> first_of_rank_, instances_;
  int64_t most_replicas_ = 0;
};

}  // namespace weft
