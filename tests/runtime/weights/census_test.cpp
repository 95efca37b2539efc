#include "runtime/weights/census.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/core/check.h"
#include "runtime/weights/model_files.h"
#include "tests/runtime/weights/tiny_model.h"

namespace weft {
namespace {

using testing::HasSubstr;

ConfigReader no_config() { return ConfigReader("{}"); }

TEST(Census, TheSameDeclarationIsTheSameWeight) {
  Census census;
  const Build b = Build(census, no_config()).as("embedding", "tied");
  const PackedMatrix* embedding = b.matrix({part("embed", b.vocab(10))}, Dim::whole(4));
  EXPECT_EQ(b.matrix({part("embed", b.vocab(10))}, Dim::whole(4)), embedding);
  EXPECT_NE(b.matrix({part("head", b.vocab(10))}, Dim::whole(4)), embedding);
  EXPECT_EQ(census.weights().size(), 2u);
}

TEST(Census, TellsNamesAndShapes) {
  Census census;
  const Build b = Build(census, no_config()) / "layers" / 3;
  b.matrix({part("q_proj", b.heads(6).times(5), true)}, Dim::whole(7));
  b.vector("norm.weight", Dim::whole(7));
  const Copies experts = b.experts(2, 1);
  b.stack({part("experts.{e}.up", experts.slices(9))}, Dim::whole(7), experts);
  std::vector<std::string> tensors;
  for (const auto& [name, t] : census.tensors()) tensors.push_back(cat(t.tensors, " x ", name, " (", t.rows, ", ", t.columns, ")"));
  EXPECT_THAT(tensors, testing::ElementsAre("2 x layers.3.experts.{e}.up.weight (9, 7)", "1 x layers.3.norm.weight (0, 7)",
                                            "1 x layers.3.q_proj.bias (0, 30)", "1 x layers.3.q_proj.weight (30, 7)"));
  EXPECT_EQ(census.max_tp(), 6);
  EXPECT_EQ(census.n_experts(), 2);
}

// Two parts of one tensor a copy, in every arrangement: (rows of all copies, columns), or CheckError.
Range shape_of(const Stored& first, const Stored& second) {
  Census census;
  const Build b(census, no_config());
  const Copies experts = b.experts(3, 1);
  const Dim width = experts.slices(8);
  b.stack({{"fused", "", width, first}, {"fused", "", width, second}}, Dim::whole(4), experts);
  const Census::Declared fused = census.tensors().at("fused");
  return {fused.rows, fused.columns};
}

TEST(Census, PartsTileAFusedTensor) {
  EXPECT_EQ(shape_of({.first = 0}, {.first = 8}), (Range{48, 4}));
  EXPECT_EQ(shape_of({.first = 8}, {.first = 0}), (Range{48, 4}));
  EXPECT_EQ(shape_of({.first = 0, .block = 1, .stride = 2}, {.first = 1, .block = 1, .stride = 2}), (Range{48, 4}));
  EXPECT_EQ(shape_of({.first = 4, .block = 4, .stride = 8}, {.first = 0, .block = 4, .stride = 8}), (Range{48, 4}));
  EXPECT_EQ(shape_of({.first = 0, .transposed = true}, {.first = 8, .transposed = true}), (Range{12, 16}));
  EXPECT_THROW(shape_of({.first = 0}, {.first = 9}), CheckError);  // a row that nobody claims
  EXPECT_THROW(shape_of({.first = 0}, {.first = 7}), CheckError);  // one that two do
  EXPECT_THROW(shape_of({.first = 0, .block = 1, .stride = 2}, {.first = 8}), CheckError);
  EXPECT_THROW(shape_of({.first = 0, .transposed = true}, {.first = 8}), CheckError);
}

// Keys and values of a latent, head by head in one tensor: the keys' rows are another weight's columns.
TEST(Census, TwoWeightsTileOneTensor) {
  Census census;
  const Build b(census, no_config());
  const Copies heads = Copies::of(b.heads(3));
  b.stack({part("kv_b", Dim::whole(7), false, {.transposed = true})}, Dim::whole(4), heads);
  b.stack({part("kv_b", Dim::whole(5), false, {.first = 4})}, Dim::whole(7), heads);
  const Census::Declared kv_b = census.tensors().at("kv_b.weight");
  EXPECT_EQ(kv_b.rows, 3 * (4 + 5));
  EXPECT_EQ(kv_b.columns, 7);
  EXPECT_EQ(kv_b.claims.size(), 2u);
}

TEST(Census, SharesOfEveryRankTileTheWhole) {
  for (const int ranks : {1, 2, 3, 5}) {
    int64_t next = 0;
    for (int rank = 0; rank < ranks; ++rank) {
      Census census(Mesh{.world = ranks, .tp = ranks, .rank = rank});
      const Dim slices = Build(census, no_config()).slices(1000);
      EXPECT_EQ(slices.own(), slices.held(rank));
      EXPECT_EQ(slices.own().begin, next);
      next = slices.own().end;
    }
    EXPECT_EQ(next, 1000);
  }
}

}  // namespace
}  // namespace weft
