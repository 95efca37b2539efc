// The workspace that a dry run finds is what real steps take, to the byte: whatever a step's values are.
#include <gtest/gtest.h>

#include <numeric>
#include <thread>

#include "kernels/core/log.h"
#include "parallel/sample_tp.h"
#include "runtime/engine/kv_cache.h"
#include "runtime/models/model.h"
#include "runtime/weights/loader.h"
#include "tests/runtime/models/golden.h"

namespace weft {
namespace {

constexpr int64_t kCapacity = 24;  // the larger steps need several rounds

struct Rank {
  std::unique_ptr<Checkpoint> checkpoint;
  ThreadPool pool{1};
  Mesh mesh;
  Model model;

  Rank(const std::string& path, const Mesh& mesh) : checkpoint(Checkpoint::open(path)), mesh(mesh) {
    const ModelFiles files = ModelFiles::read(*checkpoint);
    Loader loader(mesh, files.tensors.get());
    model = make_model(loader, files);
    loader.read(*model.weights, pool);
  }

  // Of steps of up to `tokens`.
  int64_t dry(int64_t tokens) {
    return model.workspace({.max_tokens = tokens, .max_rows = tokens, .expert_capacity = kCapacity}, mesh, Arithmetic::f32,
                           pool);
  }

  // The first `tokens` positions of one sequence, all of whose logits are wanted.
  int64_t real(int64_t tokens, Communicator& comm) {
    Arena arena(dry(tokens));
    Context context{pool, arena};
    Parallel parallel{comm, comm, context, Arithmetic::f32};
    std::vector<int32_t> ids, count(static_cast<size_t>(tokens)), blocks(static_cast<size_t>(tokens) / 16 + 1);
    std::iota(count.begin(), count.end(), 0);
    std::iota(blocks.begin(), blocks.end(), 0);
    for (const int32_t i : count) ids.push_back(static_cast<int32_t>(i * 7 % model.info.vocab_size));
    const KvCache kv({model.paged, 16, DType::f32}, std::ssize(blocks));
    std::vector<int32_t> row = {0}, offsets = {0, static_cast<int32_t>(tokens)}, lengths = {static_cast<int32_t>(tokens)};
    const auto tensor = [](std::vector<int32_t>& v) { return Tensor(v.data(), {std::ssize(v)}); };
    const int64_t slice = vocab_slice(model.info.vocab_size, comm.size(), comm.rank()).size();
    std::vector<float> logits(static_cast<size_t>(tokens * slice));
    model.forward(Tensor(logits.data(), {tokens, slice}),
                  {tensor(ids),
                   tensor(count),
                   tensor(count),
                   {tensor(offsets), tensor(lengths), tensor(row), Tensor(blocks.data(), {1, std::ssize(blocks)})},
                   tensor(count),
                   kCapacity},
                  kv.layers(), parallel);
    return arena.peak();
  }
};

void compare(const std::string& name, int ranks, int ep) {
  SCOPED_TRACE(testing::Message() << name << " on " << ranks << " ranks, ep " << ep);
  const std::string path = read_golden(name).model_path;
  std::vector<std::thread> threads;
  for (RankComm& comm : thread_ranks(ranks))
    threads.emplace_back([&, comm = std::move(comm)] {
      Rank rank(path, Mesh{.world = ranks, .tp = ranks, .ep = ep, .rank = comm.host->rank()});
      for (const int64_t tokens : {1, 5, 15, 16, 40}) {
        const int64_t replicated = TokenShard::most_replicated(tokens, ranks);
        EXPECT_EQ(rank.dry(tokens), std::max(rank.real(tokens, *comm.tensors), rank.real(replicated, *comm.tensors)))
            << tokens << " tokens";
      }
    });
  for (std::thread& thread : threads) thread.join();
}

TEST(Workspace, ADryRunFindsWhatARealOneTakes) {
  start_log("error");
  for (const int ranks : {1, 2, 3}) {
    compare("llama3", ranks, 1);
    compare("mixtral", ranks, 1);
  }
  for (const int ranks : {2, 3}) compare("mixtral", ranks, ranks);
}

// The engine asks for the largest step of each form and no other.
TEST(Workspace, GrowsWithTheTokensWithinEachForm) {
  for (const char* name : {"llama3", "mixtral"})
    for (const int ranks : {1, 2, 3, 5}) {
      SCOPED_TRACE(testing::Message() << name << " on " << ranks << " ranks");
      Rank rank(read_golden(name).model_path,
                Mesh{.world = ranks, .tp = ranks, .ep = ranks > 4 ? 1 : ranks, .rank = ranks - 1});
      int64_t last = 0;
      for (int64_t tokens = 1; tokens <= 400; ++tokens) {
        const int64_t bytes = rank.dry(tokens);  // of every step up to this one
        ASSERT_GE(bytes, last) << tokens << " tokens";
        last = bytes;
      }
    }
}

}  // namespace
}  // namespace weft
