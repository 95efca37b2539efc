#include "parallel/mesh.h"

#include <algorithm>
#include <numeric>

#include "kernels/core/check.h"

namespace weft {
namespace {

void check_experts(const Mesh& mesh, int n_experts) {
  if (n_experts == 0) {
    if (mesh.ep != 1) bad_input("--ep ", mesh.ep, " needs a model with experts; this one is dense (only --ep 1)");
    return;
  }
  if (mesh.ep > n_experts) bad_input("--ep ", mesh.ep, " exceeds the model's ", n_experts, " experts");
  if (mesh.ep > mesh.tp * mesh.dp) bad_input("--ep ", mesh.ep, " exceeds the ", mesh.tp * mesh.dp, " ranks that share a layer");
}

}  // namespace

Mesh Mesh::make(int world, int rank, const MeshRequest& request, int n_heads, int n_experts) {
  WEFT_CHECK(0 <= rank && rank < world, "rank ", rank, " of ", world);
  const auto degree = [](const char* flag, const std::optional<int>& value, int fallback) {
    if (value && *value < 1) bad_input(flag, " ", *value, " must be at least 1");
    return value.value_or(fallback);
  };
  Mesh mesh;
  mesh.world = world;
  mesh.rank = rank;
  mesh.pp = degree("--pp", request.pp, 1);
  const int64_t without_tp = int64_t{mesh.pp} * degree("--dp", request.dp, 1);
  mesh.tp = degree("--tp", request.tp, static_cast<int>(std::max<int64_t>(1, world / without_tp)));
  const int64_t without_dp = int64_t{mesh.pp} * mesh.tp;
  const int dp_left = request.tp ? static_cast<int>(std::max<int64_t>(1, world / without_dp)) : 1;
  mesh.dp = degree("--dp", request.dp, dp_left);
  if (without_dp * mesh.dp != world) {
    bad_input("pp * dp * tp = ", mesh.pp, " * ", mesh.dp, " * ", mesh.tp, " must equal the number of ranks, ", world, "; without these flags it is tp = ", world);
  }
  if (mesh.pp > 1) bad_input("pp = ", mesh.pp, " (pipeline parallelism) is not built; only pp = 1");
  if (mesh.dp > 1) {
    bad_input("dp = ", mesh.dp, " (data parallelism) is not built; only dp = 1, that is --tp ", world, " on ", world,
              " ranks");
  }
  if (mesh.tp > n_heads) {
    bad_input("tp = ", mesh.tp, " exceeds the model's ", n_heads, " query heads; start at most ", n_heads, " ranks");
  }
  mesh.ep = degree("--ep", request.ep, std::max(1, std::min(mesh.tp * mesh.dp, n_experts)));
  check_experts(mesh, n_experts);
  return mesh;
}

std::vector<int> Mesh::ranks_from(int first, int n) {
  std::vector<int> ranks(static_cast<size_t>(n));
  std::iota(ranks.begin(), ranks.end(), first);
  return ranks;
}

std::string Mesh::describe() const { return cat("tp=", tp, " ep=", ep, " (", world, world == 1 ? " rank)" : " ranks)"); }

}  // namespace weft
