#pragma once
// The process grid as a value: pure arithmetic, no communication. world = pp * dp * tp; experts lie over dp * tp of one stage,
// so with pp = dp = 1 (all that is built) every rank is tensor-parallel rank = world rank.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace weft {

struct MeshRequest {  // flags; absent: tp = world / (dp pp), ep = min(tp dp, experts)
  std::optional<int> tp = {}, ep = {}, pp = {}, dp = {};
};

struct Mesh {
  int world = 1, tp = 1, ep = 1, pp = 1, dp = 1;
  int rank = 0;  // in [0, world); with pp = dp = 1 also the tp rank

  // ep 1: every expert is split over all ranks; above 1: whole experts are spread over the first ep ranks, others own none.
  // Refuses, naming what is wrong and what would be right: a product != world, tp > n_heads, ep on a dense model (n_experts == 0),
  // ep > n_experts, ep > tp dp, pp > 1, dp > 1.
  static Mesh make(int world, int rank, const MeshRequest& request, int n_heads, int n_experts);
  std::string describe() const;  // "tp=2 ep=2 (2 ranks)"
};

}  // namespace weft
