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
  using Shape = Census::Shape;
  EXPECT_THAT(census.shapes(), testing::ElementsAre(testing::Pair("layers.3.experts.0.up.weight", Shape{9, 7}),
                                                    testing::Pair("layers.3.experts.1.up.weight", Shape{9, 7}),
                                                    testing::Pair("layers.3.norm.weight", Shape{0, 7}),
                                                    testing::Pair("layers.3.q_proj.bias", Shape{0, 30}),
                                                    testing::Pair("layers.3.q_proj.weight", Shape{30, 7})));
  EXPECT_EQ(census.max_tp(), 6);
  EXPECT_EQ(census.n_experts(), 2);
}

// Gate above up in one tensor an expert, expert behind expert.
TEST(Census, PartsTileAFusedTensor) {
  const auto shapes = [](int64_t gate_begin, int64_t up_begin) {
    Census census;
    const Build b(census, no_config());
    const Copies experts = b.experts(3, 1);
    const Dim width = experts.slices(8);
    b.stack({{"gate_up", "", width, {.first = gate_begin}}, {"gate_up", "", width, {.first = up_begin}}}, Dim::whole(4), experts);
    return census.shapes();
  };
  EXPECT_EQ(shapes(0, 8).at("gate_up"), (Census::Shape{48, 4}));
  EXPECT_EQ(shapes(8, 0).at("gate_up"), (Census::Shape{48, 4}));
  EXPECT_THROW(shapes(0, 9), CheckError);  // a row that nobody claims
  EXPECT_THROW(shapes(0, 7), CheckError);  // one that two do
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

// Each cell of a stored tensor says where it lies; every rank must hold the cells of its own rows and columns.
TEST(Loader, ReadsTheCellsOfItsShare) {
  const int64_t experts = 3, width = 400, hidden = 64;
  test::TempDirectory directory;
  const std::string path = directory / "model.safetensors";
  std::vector<float> fused(static_cast<size_t>(experts * 2 * width * hidden));
  for (size_t i = 0; i < fused.size(); ++i) fused[i] = static_cast<float>(i);
  SafetensorsWriter writer(path, {{"gate_up", {DType::f32, {experts, 2 * width, hidden}}}});
  writer.write("gate_up", reinterpret_cast<const char*>(fused.data()), fused.size() * sizeof(float));
  writer.finish();
  std::ofstream(directory / "config.json") << test::tiny_config("llama").dump();
  const auto checkpoint = Checkpoint::open(directory.path());
  const NamedTensors tensors(*checkpoint, "llama");
  ThreadPool pool(2);
  for (const int ep : {1, 2})
    for (int rank = 0; rank < 2; ++rank) {
      Loader loader(Mesh{.world = 2, .tp = 2, .ep = ep, .rank = rank}, &tensors);
      const Build b(loader, no_config());
      const Copies copies = b.experts(experts, 1);
      const Dim dim = copies.slices(width);
      const std::vector<PackedMatrix>& stack =
          *b.stack({{"gate_up", "", dim, width}, {"gate_up", "", dim, 0}}, Dim::whole(hidden), copies);  // up above gate
      loader.check("test");
      const auto weights = loader.take_weights();
      loader.read(*weights, pool);
      ASSERT_EQ(stack.size(), copies.held(rank).size());
      std::vector<float> row(static_cast<size_t>(hidden));
      for (size_t i = 0; i < stack.size(); ++i)
        for (int64_t r = 0; r < stack[i].n(); ++r) {
          stack[i].unpack_row(r, row.data());
          const int64_t up = r < dim.n() ? 1 : 0, within = dim.own().begin + r - (up ? 0 : dim.n());
          const int64_t stored = (copies.held(rank)[i] * 2 + up) * width + within;
          ASSERT_EQ(row[0], static_cast<float>(stored * hidden)) << "ep " << ep << ", rank " << rank << ", row " << r;
          ASSERT_EQ(row.back(), static_cast<float>(stored * hidden + hidden - 1));
        }
    }
}

}  // namespace
}  // namespace weft
