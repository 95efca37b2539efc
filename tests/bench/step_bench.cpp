// Host cost of a step: what planning, handing the plan to the ranks, preparing the launch and taking in the tokens cost beside
// the computation. The model computes nothing, so all of a step is host work; on several ranks (threads here) it ends when the
// last has prepared its launch. An iteration fills one more block of each of 256 running sequences; its time is the mean step.
#include <benchmark/benchmark.h>

#include <chrono>
#include <cstring>
#include <random>
#include <thread>

#include "runtime/engine/step_engine.h"

namespace weft {
namespace {

constexpr int kSequences = 256, kBlockSize = 32;
constexpr int64_t kVocab = 8;

struct NoBlock final : Block {
  void operator()(Stream& h) const override {
    const Step& s = h.step();
    if (s.p.context.dry()) return;
    std::memset(s.logits.data, 0, static_cast<size_t>(s.logits.bytes()));
    const std::byte here{};
    std::vector<std::byte> all(static_cast<size_t>(s.p.tp.size()));
    s.p.tp.all_gather_v(all, std::span(&here, 1), std::vector<int64_t>(all.size(), 1));
  }
};

Model no_model() {
  Model model;
  model.info = {.model_type = "none", .vocab_size = kVocab, .n_layers = 1, .max_position_embeddings = 1 << 20};
  model.paged.push_back({Dim::whole(1), 2, 2});
  model.stack.push_back(std::make_unique<NoBlock>());
  return model;
}

Settings settings(const RankComm& comm, int64_t blocks) {
  Settings s;
  s.mesh.world = s.mesh.tp = comm.host->size();
  s.mesh.rank = comm.host->rank();
  s.max_model_len = (blocks + 1) * kBlockSize;
  s.max_seqs = kSequences;
  s.block_size = kBlockSize;
  s.kv_blocks = kSequences * (blocks + 1);
  s.limits = {kSequences * blocks * kBlockSize, kSequences};  // all prompts in one step: sequences stay equally long
  return s;
}

std::unique_ptr<StepEngine> make_engine(RankComm comm, int64_t blocks) {
  const Settings s = settings(comm, blocks);
  return std::make_unique<StepEngine>(no_model(), std::make_unique<ThreadPool>(1), s, std::move(comm));
}

// Sequences that fill all but the last of their blocks, each with ids of its own, after their first token.
void start_sequences(StepEngine& engine, int64_t blocks) {
  std::mt19937 random(1);
  for (int i = 0; i < kSequences; ++i) {
    Request request;
    request.id = static_cast<RequestId>(i);
    for (int64_t n = 0; n < (blocks - 1) * kBlockSize; ++n)
      request.prompt.push_back(static_cast<int32_t>(random() % kVocab));
    request.max_tokens = kBlockSize + 2;
    request.ignore_eos = true;
    engine.submit(request);
  }
  engine.step();
}

void cancel_sequences(StepEngine& engine) {
  for (int i = 0; i < kSequences; ++i) engine.cancel(static_cast<RequestId>(i));
  engine.step();
}

void host_cost_of_a_step(benchmark::State& state) {
  const int64_t blocks = state.range(1);
  std::vector<RankComm> ranks = thread_ranks(static_cast<int>(state.range(0)));
  std::vector<std::jthread> others;
  for (size_t r = 1; r < ranks.size(); ++r)
    others.emplace_back([&, r] { make_engine(std::move(ranks[r]), blocks)->serve_steps(); });
  const std::unique_ptr<StepEngine> engine = make_engine(std::move(ranks[0]), blocks);
  for ([[maybe_unused]] auto _ : state) {
    start_sequences(*engine, blocks);
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < kBlockSize; ++i) benchmark::DoNotOptimize(engine->step());
    state.SetIterationTime(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / kBlockSize);
    if (engine->stats().running != kSequences || engine->stats().preemptions > 0)
      state.SkipWithError("not all sequences run");
    cancel_sequences(*engine);
  }
  engine->stop_ranks();
}

BENCHMARK(host_cost_of_a_step)
    ->ArgNames({"ranks", "blocks"})
    ->ArgsProduct({{1, 2}, {16, 256}})
    ->UseManualTime()
    ->Iterations(5)
    ->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace weft

BENCHMARK_MAIN();
