#pragma once
// The process grid as a value: pure arithmetic, no communication. world = pp * dp * tp, rank = (stage * dp + group) * tp + tp rank;
// experts lie over the dp * tp ranks of one stage. With pp = dp = 1 (all that is built) every group is the world.
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
  int rank = 0;  // in [0, world)

  // ep 1: every expert is split over all ranks; above 1: whole experts are spread over the first ep ranks, others own none.
  // Refuses, naming what is wrong and what would be right: a product != world, tp > n_heads, ep on a dense model (n_experts == 0),
  // ep > n_experts, ep > tp dp, pp > 1, dp > 1.
  static Mesh make(int world, int rank, const MeshRequest& request, int n_heads, int n_experts);
  std::string describe() const;  // "tp=2 ep=2 (2 ranks)"

  int tp_rank() const { return rank % tp; }
  bool leads() const { return rank == 0; }  // plans the steps, and gets the logits
  // World ranks that share every layer's tensors and rows with this one, and those that exchange rows for experts with it; ascending.
  std::vector<int> tp_group() const { return ranks_from(rank - tp_rank(), tp); }
  std::vector<int> ep_group() const { return ranks_from(rank / (dp * tp) * (dp * tp), dp * tp); }

 private:
  static std::vector<int> ranks_from(int first, int n);
};

}  // namespace weft
