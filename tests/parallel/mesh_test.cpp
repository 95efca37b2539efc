#include "parallel/mesh.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/core/check.h"

namespace weft {
namespace {

using testing::HasSubstr;

std::string refusal(int world, const MeshRequest& request, int n_heads, int n_experts) {
  try {
    Mesh::make(world, 0, request, n_heads, n_experts);
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(Mesh, DefaultsUseEveryRank) {
  for (int world = 1; world <= 9; ++world) {
    const Mesh dense = Mesh::make(world, world - 1, {}, 9, 0);
    EXPECT_EQ(dense.tp, world);
    EXPECT_EQ(dense.ep, 1);
    EXPECT_EQ(dense.rank, world - 1);
    const Mesh sparse = Mesh::make(world, 0, {}, 9, 4);
    EXPECT_EQ(sparse.ep, std::min(world, 4));
  }
  EXPECT_EQ(Mesh::make(2, 0, {}, 9, 4).describe(), "tp=2 ep=2 (2 ranks)");
  EXPECT_EQ(Mesh::make(1, 0, {}, 9, 0).describe(), "tp=1 ep=1 (1 rank)");
}

TEST(Mesh, TakesWhatIsBuilt) {
  EXPECT_EQ(Mesh::make(3, 2, {.tp = 3, .ep = 1, .pp = 1, .dp = 1}, 9, 8).ep, 1);
  EXPECT_EQ(Mesh::make(3, 2, {.ep = 3}, 9, 8).ep, 3);
  EXPECT_EQ(Mesh::make(5, 2, {.ep = 4}, 9, 4).ep, 4);
  EXPECT_EQ(Mesh::make(5, 2, {.ep = 3}, 9, 4).ep, 3);
  EXPECT_EQ(Mesh::make(1, 0, {.ep = 1}, 9, 0).ep, 1);
}

TEST(Mesh, GroupsAreRunsOfRanks) {
  const Mesh mesh{.world = 12, .tp = 3, .pp = 2, .dp = 2, .rank = 10};
  EXPECT_EQ(mesh.tp_rank(), 1);
  EXPECT_EQ(mesh.tp_group(), (std::vector<int>{9, 10, 11}));
  EXPECT_EQ(mesh.ep_group(), (std::vector<int>{6, 7, 8, 9, 10, 11}));
  EXPECT_FALSE(mesh.leads());
  EXPECT_EQ(Mesh{}.tp_group(), (std::vector<int>{0}));
}

TEST(Mesh, RefusesAndNamesTheChoices) {
  EXPECT_THAT(refusal(10, {}, 9, 0), HasSubstr("9 query heads"));
  EXPECT_THAT(refusal(4, {.tp = 3}, 9, 0), HasSubstr("number of ranks, 4"));
  EXPECT_THAT(refusal(4, {.tp = 8}, 9, 0), HasSubstr("number of ranks, 4"));
  EXPECT_THAT(refusal(4, {.tp = 2}, 9, 0), HasSubstr("data parallelism"));
  EXPECT_THAT(refusal(4, {.dp = 2}, 9, 0), HasSubstr("data parallelism"));
  EXPECT_THAT(refusal(4, {.pp = 2}, 9, 0), HasSubstr("pipeline parallelism"));
  EXPECT_THAT(refusal(2, {.pp = 1 << 30, .dp = 1 << 30}, 9, 0), HasSubstr("number of ranks, 2"));
  EXPECT_THAT(refusal(2, {.ep = 2}, 9, 0), HasSubstr("dense"));
  EXPECT_THAT(refusal(2, {.ep = 5}, 9, 4), HasSubstr("4 experts"));
  EXPECT_THAT(refusal(2, {.ep = 3}, 9, 4), HasSubstr("2 ranks"));
  for (const int bad : {0, -1, -2147483647}) {
    EXPECT_THAT(refusal(2, {.tp = bad}, 9, 4), HasSubstr("--tp"));
    EXPECT_THAT(refusal(2, {.ep = bad}, 9, 4), HasSubstr("--ep"));
    EXPECT_THAT(refusal(2, {.pp = bad}, 9, 4), HasSubstr("--pp"));
    EXPECT_THAT(refusal(2, {.dp = bad}, 9, 4), HasSubstr("--dp"));
  }
  EXPECT_THROW(Mesh::make(2, 2, {}, 9, 0), CheckError);
}

}  // namespace
}  // namespace weft
