// Every tiny model of tests/golden/models through the whole engine: right against transformers, and the same bits whatever
// the number of ranks and threads, the prefill's chunks, the batch mates and the size of a cache block.
#include <gtest/gtest.h>

#include <cstring>
#include <exception>
#include <map>
#include <mutex>
#include <thread>

#include "kernels/core/log.h"
#include "runtime/engine/engine.h"
#include "tests/runtime/models/golden.h"

namespace weft {
namespace {

struct Answers {
  std::vector<std::vector<float>> logits;       // of each case
  std::vector<std::vector<int32_t>> greedy_ids;
  std::vector<uint64_t> fingerprints;           // of the decode steps' logits
  int n_experts = 0;
  int64_t exchanged_bytes = 0;                  // by all-to-all, on rank 0
};

void generate(Engine& engine, const Golden& golden, Answers& answers) {
  for (size_t i = 0; i < golden.cases.size(); ++i) {
    Request request;
    request.id = i;
    request.prompt = golden.cases[i].input_ids;
    request.max_tokens = static_cast<int>(golden.cases[i].greedy_ids.size());
    request.ignore_eos = true;
    engine.submit(request);
  }
  answers.greedy_ids.resize(golden.cases.size());
  answers.fingerprints.resize(golden.cases.size());
  while (engine.has_work())
    for (const TokenEvent& event : engine.step()) {
      EXPECT_EQ(event.error, "");
      answers.greedy_ids[event.id].push_back(event.token);
      if (event.finish != FinishReason::none) answers.fingerprints[event.id] = event.fingerprint;
    }
}

Answers ask(Engine& engine, const Golden& golden) {
  Answers answers;
  for (const GoldenCase& c : golden.cases) {
    answers.logits.emplace_back(c.input_ids.size() * engine.model().vocab_size);
    engine.score(c.input_ids, answers.logits.back().data());
  }
  generate(engine, golden, answers);
  answers.n_experts = engine.model().n_experts;
  answers.exchanged_bytes = engine.stats().traffic.all_to_all;
  return answers;
}

// One job of `ranks` threads; rank 0 asks, the others follow.
Answers run_job(const Golden& golden, int ranks, const EngineConfig& config) {
  Answers answers;
  std::exception_ptr failure;
  std::mutex mutex;
  std::vector<std::thread> threads;
  for (RankComm& comm : thread_ranks(ranks))
    threads.emplace_back([&, comm = std::move(comm)]() mutable {
      try {
        const bool leader = comm.host->rank() == 0;
        const auto engine = Engine::create(golden.model_path, config, std::move(comm));
        if (!leader) return engine->serve_steps();
        answers = ask(*engine, golden);
        engine->stop_ranks();
      } catch (...) {
        std::lock_guard lock(mutex);
        if (!failure) failure = std::current_exception();
      }
    });
  for (std::thread& thread : threads) thread.join();
  if (failure) std::rethrow_exception(failure);
  return answers;
}

EngineConfig config_f32(int threads = 1) {
  EngineConfig config;
  config.dtype = "f32";
  config.threads = threads;
  return config;
}

void expect_same_bits(const Answers& a, const Answers& b) {
  ASSERT_EQ(a.logits.size(), b.logits.size());
  for (size_t i = 0; i < a.logits.size(); ++i) {
    ASSERT_EQ(a.logits[i].size(), b.logits[i].size());
    EXPECT_EQ(std::memcmp(a.logits[i].data(), b.logits[i].data(), a.logits[i].size() * sizeof(float)), 0)
        << "logits of case " << i << ", relative distance " << relative_l2(a.logits[i], b.logits[i]);
    EXPECT_EQ(a.greedy_ids[i], b.greedy_ids[i]) << "case " << i;
    EXPECT_EQ(a.fingerprints[i], b.fingerprints[i]) << "case " << i;
  }
}

class ModelGolden : public testing::TestWithParam<std::string> {
 protected:
  static void SetUpTestSuite() { start_log("warn"); }
  static const Golden& golden() {
    static std::map<std::string, Golden> cache;
    const auto [it, fresh] = cache.try_emplace(GetParam());
    if (fresh) it->second = read_golden(GetParam());
    return it->second;
  }
};

TEST_P(ModelGolden, AnswersLikeTransformers) {
  const Answers answers = run_job(golden(), 1, config_f32());
  const double tolerance = answers.n_experts > 0 ? 1e-4 : 1e-5;
  for (size_t i = 0; i < golden().cases.size(); ++i) {
    EXPECT_LE(relative_l2(answers.logits[i], golden().cases[i].logits), tolerance) << "case " << i;
    EXPECT_EQ(answers.greedy_ids[i], golden().cases[i].greedy_ids) << "case " << i;  // the generator leaves no near ties
  }
}

TEST_P(ModelGolden, SameBitsOnAnyNumberOfRanks) {
  const Answers one = run_job(golden(), 1, config_f32());
  for (const int ranks : {2, 3, 4}) {
    SCOPED_TRACE(testing::Message() << ranks << " ranks");
    const Answers many = run_job(golden(), ranks, config_f32());
    expect_same_bits(one, many);
    if (one.n_experts == 0) continue;
    EXPECT_GT(many.exchanged_bytes, 0) << "expert parallelism must exchange tokens";
    EngineConfig sliced_experts = config_f32();
    sliced_experts.mesh.ep = 1;
    expect_same_bits(one, run_job(golden(), ranks, sliced_experts));
    EngineConfig many_rounds = config_f32();
    many_rounds.expert_capacity = ranks;  // a row of each sender at a time
    expect_same_bits(one, run_job(golden(), ranks, many_rounds));
  }
}

TEST_P(ModelGolden, SameBitsOnAnyNumberOfThreads) {
  const Answers one = run_job(golden(), 1, config_f32(1));
  expect_same_bits(one, run_job(golden(), 1, config_f32(2)));
  expect_same_bits(one, run_job(golden(), 3, config_f32(2)));
}

TEST_P(ModelGolden, SameBitsInAnyPrefillChunk) {
  const Answers whole = run_job(golden(), 1, config_f32());
  for (const int rows : {1, 7, 64}) {
    SCOPED_TRACE(testing::Message() << "chunks of " << rows);
    EngineConfig config = config_f32();
    config.max_batch_tokens = rows;
    expect_same_bits(whole, run_job(golden(), 1, config));
    expect_same_bits(whole, run_job(golden(), 2, config));
  }
}

TEST_P(ModelGolden, SameBitsAloneAndWithBatchMates) {
  const Answers together = run_job(golden(), 1, config_f32());
  for (const int sequences : {1, 2}) {
    SCOPED_TRACE(testing::Message() << sequences << " at a time");
    EngineConfig config = config_f32();
    config.max_seqs = sequences;
    expect_same_bits(together, run_job(golden(), 1, config));
  }
}

TEST_P(ModelGolden, SameBitsWithAnyCacheBlock) {
  const Answers usual = run_job(golden(), 1, config_f32());
  for (const int positions : {16, 48, 128}) {
    SCOPED_TRACE(testing::Message() << "blocks of " << positions);
    EngineConfig config = config_f32();
    config.block_size = positions;
    expect_same_bits(usual, run_job(golden(), 1, config));
  }
}

// Reduced arithmetic has its own bits, which must not depend on the job's shape either.
TEST_P(ModelGolden, ReducedArithmeticIsCloseAndCanonical) {
  for (const char* dtype : {"bf16", "q8"}) {
    SCOPED_TRACE(dtype);
    EngineConfig config = config_f32();
    config.dtype = dtype;
    const Answers one = run_job(golden(), 1, config);
    if (one.n_experts == 0) {  // rounding may move a route of a random router
      for (size_t i = 0; i < golden().cases.size(); ++i)
        EXPECT_LE(relative_l2(one.logits[i], golden().cases[i].logits), 0.1) << "case " << i;
    }
    config.max_batch_tokens = 7;
    config.threads = 2;
    expect_same_bits(one, run_job(golden(), 3, config));
  }
}

INSTANTIATE_TEST_SUITE_P(All, ModelGolden, testing::ValuesIn(golden_names()), [](const auto& info) { return info.param; });

}  // namespace
}  // namespace weft
