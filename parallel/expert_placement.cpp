#include "parallel/expert_placement.h"

#include <algorithm>

#include "kernels/core/check.h"
#include "parallel/shard.h"

namespace weft {

ExpertPlacement::ExpertPlacement(std::vector<std::vector<int>> ranks_of, int ranks)
    : ranks_of_(std::move(ranks_of)), experts_of_(static_cast<size_t>(ranks)), first_of_rank_(1, 0) {
  for (int expert = 0; expert < n_experts(); ++expert) {
    std::vector<int>& holders = ranks_of_[static_cast<size_t>(expert)];
    std::sort(holders.begin(), holders.end());
    WEFT_CHECK(!holders.empty() && holders.front() >= 0 && holders.back() < ranks &&
                   std::adjacent_find(holders.begin(), holders.end()) == holders.end(),
               "expert ", expert, " on ", holders.size(), " of ", ranks, " ranks");
    for (const int rank : holders) experts_of_[static_cast<size_t>(rank)].push_back(expert);
    most_replicas_ = std::max<int64_t>(most_replicas_, std::ssize(holders));
  }
  instances_.assign(static_cast<size_t>(n_experts() * most_replicas_), -1);
  std::vector<int64_t> next(static_cast<size_t>(n_experts()));
  int32_t instance = 0;
  for (const std::vector<int>& held : experts_of_) {
    for (const int expert : held)
      instances_[static_cast<size_t>(expert * most_replicas_ + next[static_cast<size_t>(expert)]++)] = instance++;
    first_of_rank_.push_back(instance);
  }
}

ExpertPlacement ExpertPlacement::contiguous(int n_experts, int ep, int ranks) {
  WEFT_CHECK(1 <= ep && ep <= ranks && ep <= n_experts, n_experts, " experts over ", ep, " of ", ranks, " ranks");
  std::vector<std::vector<int>> ranks_of(static_cast<size_t>(n_experts));
  for (int rank = 0; rank < ep; ++rank) {
    const Range owned = split_evenly(n_experts, ep, rank);
    for (int64_t expert = owned.begin; expert < owned.end; ++expert) ranks_of[static_cast<size_t>(expert)].push_back(rank);
  }
  return {std::move(ranks_of), ranks};
}

ExpertPlacement ExpertPlacement::of(const Mesh& mesh, int n_experts) {
  return mesh.ep == 1 ? contiguous(n_experts, 1, 1) : contiguous(n_experts, mesh.ep, mesh.dp * mesh.tp);
}

int64_t ExpertPlacement::most_pairs(int64_t rows, int64_t k) const {
  int64_t most_held = 0;
  for (const std::vector<int>& held : experts_of_) most_held = std::max<int64_t>(most_held, std::ssize(held));
  return rows * std::min(k, most_held);
}

}  // namespace weft
