#include "runtime/engine/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <random>

#include "parallel/network.h"
#include "runtime/engine/agree.h"
#include "runtime/engine/fingerprint.h"
#include "runtime/engine/step_engine.h"
#include "tests/runtime/engine/fake_model.h"
#include "tests/support/ranks.h"

namespace weft {
namespace {

Settings settings(int64_t kv_blocks = 40, int max_seqs = 8, int64_t max_tokens = 16) {
  Settings s;
  s.max_model_len = std::min<int64_t>(120, kv_blocks * 16);
  s.max_seqs = max_seqs;
  s.block_size = 16;
  s.kv_blocks = kv_blocks;
  s.limits = {max_tokens, std::min<int64_t>(max_tokens, max_seqs)};
  return s;
}

std::unique_ptr<StepEngine> make_engine(Settings s, RankComm comm, FakeFaults faults = {}) {
  s.mesh.world = s.mesh.tp = comm.host->size();
  s.mesh.rank = comm.host->rank();
  return std::make_unique<StepEngine>(fake_model(faults), std::make_unique<ThreadPool>(1), s,
                                      std::move(comm));
}

struct Answer {
  std::vector<int32_t> ids;
  FinishReason finish = FinishReason::none;
  uint64_t fingerprint = 0;
  std::string error;
  bool operator==(const Answer&) const = default;
};
void PrintTo(const Answer& a, std::ostream* out) {
  *out << a.ids.size() << " ids, " << name(a.finish) << " " << a.fingerprint;
}

using Answers = std::map<RequestId, Answer>;

void step(StepEngine& engine, Answers& answers) {
  for (const TokenEvent& event : engine.step()) {
    Answer& a = answers[event.id];
    EXPECT_EQ(a.finish, FinishReason::none) << "an event after the last of request " << event.id;
    if (event.token >= 0) a.ids.push_back(event.token);
    a.finish = event.finish;
    a.fingerprint = event.fingerprint;
    a.error = event.error;
  }
  engine.check_integrity();
}

Answers run(StepEngine& engine) {
  Answers answers;
  for (int steps = 0; engine.has_work(); ++steps) {
    step(engine, answers);
    if (steps > 20000) throw std::runtime_error("the engine does not come to an end");
  }
  return answers;
}

std::vector<Request> random_requests(int n, uint32_t seed, int longest = 60) {
  std::mt19937 random(seed);
  std::vector<Request> requests(n);
  for (int i = 0; i < n; ++i) {
    Request& r = requests[i];
    r.id = i;
    r.prompt.resize(1 + random() % longest);
    for (int32_t& id : r.prompt) id = random() % 4 == 0 ? 3 : 2;
    r.max_tokens = 1 + static_cast<int>(random() % 50);
    r.ignore_eos = random() % 2;
    if (random() % 2) {
      r.sampling.temperature = 0.9f;
      r.sampling.seed = random();
      r.sampling.repetition_penalty = 1.2f;
      r.sampling.frequency_penalty = 0.5f;
    }
  }
  return requests;
}

Answers one_by_one(const std::vector<Request>& requests) {
  Answers answers;
  for (const Request& request : requests) {
    const auto engine = make_engine(settings(), single_rank());
    engine->submit(request);
    answers.merge(run(*engine));
  }
  return answers;
}

TEST(Engine, BatchMatesChunksPreemptionAndCacheReuseChangeNothing) {
  const std::vector<Request> requests = random_requests(40, 1);
  const Answers expected = one_by_one(requests);
  // roomy; tight blocks (preemption); tiny steps (chunks); one sequence at a time
  for (const Settings& s : {settings(), settings(8, 8, 64), settings(40, 8, 3), settings(9, 1, 7)}) {
    const auto engine = make_engine(s, single_rank());
    for (const Request& request : requests) engine->submit(request);
    EXPECT_EQ(run(*engine), expected);
    if (s.kv_blocks == 8) {
      EXPECT_GT(engine->stats().preemptions, 0);
    }
    EXPECT_EQ(engine->stats().free_blocks, s.kv_blocks);
  }
}

TEST(Engine, RequestsMayArriveAtAnyTime) {
  const std::vector<Request> requests = random_requests(30, 2);
  const Answers expected = one_by_one(requests);
  const auto engine = make_engine(settings(12), single_rank());
  Answers answers;
  std::mt19937 random(5);
  for (const Request& request : requests) {
    engine->submit(request);
    for (unsigned n = random() % 8; n > 0; --n) step(*engine, answers);
  }
  while (engine->has_work()) step(*engine, answers);
  EXPECT_EQ(answers, expected);
}

TEST(Engine, RanksAsThreadsGiveTheSame) {
  const std::vector<Request> requests = random_requests(20, 3);
  const Answers expected = one_by_one(requests);
  for (const int n : {2, 3}) {
    run_ranks(n, [&](RankComm& comm) {
      const int rank = comm.host->rank();
      const auto engine = make_engine(settings(9), std::move(comm));
      if (rank != 0) return engine->serve_steps();
      for (const Request& request : requests) engine->submit(request);
      EXPECT_EQ(run(*engine), expected);
      engine->stop_ranks();
    });
  }
}

TEST(Engine, ItsDestructorReleasesTheOtherRanks) {
  run_ranks(3, [&](RankComm& comm) {
    const int rank = comm.host->rank();
    const auto engine = make_engine(settings(), std::move(comm));
    if (rank != 0) engine->serve_steps();
  });
}

TEST(Engine, AFaultOnOneRankEndsTheStepOnAll) {
  for (const int faulty : {0, 1, 2}) {
    std::atomic<int> failed = 0;
    run_ranks(3, [&](RankComm& comm) {
      const int rank = comm.host->rank();
      const auto engine =
          make_engine(settings(), std::move(comm), {.throw_on_token = 7, .nan_on_token = {}, .rank = faulty});
      try {
        if (rank != 0) return engine->serve_steps();
        Request request;
        request.prompt = {1, 7};
        engine->submit(request);
        run(*engine);
      } catch (const std::runtime_error& e) {
        EXPECT_THAT(e.what(), ::testing::HasSubstr("fake fault"));
        ++failed;
      }
    });
    EXPECT_EQ(failed, 3) << "rank " << faulty;
  }
}

TEST(Engine, StopsAtEosUnlessAskedNotTo) {
  Request request;
  request.prompt = {1, 2, 3};
  request.max_tokens = 100;
  request.ignore_eos = true;
  const auto engine = make_engine(settings(), single_rank());
  engine->submit(request);
  const Answer free = run(*engine).at(0);
  ASSERT_EQ(free.ids.size(), 100u);
  EXPECT_EQ(free.finish, FinishReason::length);
  const auto eos = std::find(free.ids.begin(), free.ids.end(), FakeBlock::kEos);
  ASSERT_NE(eos, free.ids.end()) << "the prompt never leads to EOS: choose another";
  request.ignore_eos = false;
  engine->submit(request);
  const Answer stopped = run(*engine).at(0);
  EXPECT_EQ(stopped.finish, FinishReason::stop);
  EXPECT_EQ(stopped.ids, std::vector<int32_t>(free.ids.begin(), eos + 1));
}

TEST(Engine, AReplayContinuesWithTheSameTokens) {
  Request request = random_requests(1, 8)[0];
  request.max_tokens = 30;
  request.ignore_eos = true;
  request.sampling = {.temperature = 0.8f, .presence_penalty = 1, .frequency_penalty = 0.5f, .seed = 4};
  const auto whole = make_engine(settings(), single_rank());
  whole->submit(request);
  const Answer expected = run(*whole).at(request.id);
  request.prompt.insert(request.prompt.end(), expected.ids.begin(), expected.ids.begin() + 11);
  request.n_generated = 11;
  const auto restarted = make_engine(settings(), single_rank());
  restarted->submit(request);
  EXPECT_EQ(run(*restarted).at(request.id).ids, std::vector<int32_t>(expected.ids.begin() + 11, expected.ids.end()));
}

TEST(Engine, CancellationIsToldOnceAndLeavesTheOthersAlone) {
  const std::vector<Request> requests = random_requests(6, 9);
  const Answers expected = one_by_one(requests);
  const auto engine = make_engine(settings(12, 2), single_rank());  // some wait
  for (const Request& request : requests) engine->submit(request);
  Answers answers;
  step(*engine, answers);
  engine->cancel(0);
  engine->cancel(5);
  engine->cancel(5);
  engine->cancel(12345);
  while (engine->has_work()) step(*engine, answers);
  for (const auto& [id, answer] : answers) {
    if (answer.finish == FinishReason::cancelled) continue;
    EXPECT_EQ(answer, expected.at(id));
  }
  EXPECT_EQ(answers.at(5).finish, FinishReason::cancelled);
  EXPECT_TRUE(answers.at(5).ids.empty());
  EXPECT_EQ(engine->stats().free_blocks, 12);
}

TEST(Engine, LogitsThatAreNotFiniteEndTheirRequestAlone) {
  Request good = random_requests(1, 8)[0], bad;
  good.id = 1;
  good.max_tokens = 12;
  good.ignore_eos = true;
  bad.id = 2;
  bad.sampling.temperature = 1;
  const Answer alone = one_by_one({good}).at(1);
  int32_t unused = 4;  // the prompt has 2 and 3
  while (std::ranges::count(alone.ids, unused) > 0) ++unused;
  bad.prompt = {1, unused};
  const FakeFaults faults{.throw_on_token = {}, .nan_on_token = unused, .rank = 0};
  for (const int ranks : {1, 3})
    run_ranks(ranks, [&](RankComm& comm) {
      const int rank = comm.host->rank();
      const auto engine = make_engine(settings(), std::move(comm), faults);
      if (rank != 0) return engine->serve_steps();
      engine->submit(good);
      engine->submit(bad);
      const Answers answers = run(*engine);
      EXPECT_EQ(answers.at(1), alone);
      EXPECT_EQ(answers.at(2).finish, FinishReason::error);
      EXPECT_TRUE(answers.at(2).ids.empty());
      EXPECT_EQ(answers.at(2).error,
                "the model's logits after 2 tokens are not finite: its weights hold NaN, infinity or values too large for "
                "--dtype f32");
      EXPECT_EQ(engine->stats().free_blocks, engine->stats().total_blocks);
    });
}

TEST(Engine, MaxTokensIsCutToWhatFits) {
  Request request;
  request.prompt = std::vector<int32_t>(100, 1);
  request.max_tokens = 1000000;
  request.ignore_eos = true;
  const auto engine = make_engine(settings(), single_rank());
  engine->submit(request);
  const Answer answer = run(*engine).at(0);
  EXPECT_EQ(answer.ids.size(), 20u);
  EXPECT_EQ(answer.finish, FinishReason::length);
}

TEST(Engine, RefusesBadRequestsAndServesTheNext) {
  const auto engine = make_engine(settings(), single_rank());
  const auto refuse = [&](auto change, const char* sentence) {
    Request request;
    request.prompt = {1, 2};
    change(request);
    try {
      engine->submit(request);
      ADD_FAILURE() << "accepted: " << sentence;
    } catch (const InputError& e) {
      EXPECT_THAT(e.what(), ::testing::HasSubstr(sentence));
    }
  };
  refuse([](Request& r) { r.prompt.clear(); }, "empty");
  refuse([](Request& r) { r.prompt = {1, 23}; }, "token id 23 is out of range; the vocabulary has ids 0 to 22");
  refuse([](Request& r) { r.prompt = {-1}; }, "token id -1");
  refuse([](Request& r) { r.prompt.assign(121, 1); }, "at most 120");
  refuse([](Request& r) { r.prompt.assign(120, 1); }, "no room");
  refuse([](Request& r) { r.max_tokens = 0; }, "max_tokens");
  refuse([](Request& r) { r.n_generated = 16; }, "n_generated");
  refuse([](Request& r) { r.n_generated = -1; }, "n_generated");
  refuse([](Request& r) { r.sampling.temperature = -0.1f; }, "temperature");
  refuse([](Request& r) { r.sampling.temperature = std::nanf(""); }, "temperature");
  refuse([](Request& r) { r.sampling.top_p = 0; }, "top_p");
  refuse([](Request& r) { r.sampling.min_p = 1.5f; }, "min_p");
  refuse([](Request& r) { r.sampling.top_k = -1; }, "top_k");
  refuse([](Request& r) { r.sampling.repetition_penalty = 0; }, "repetition_penalty");
  refuse([](Request& r) { r.sampling.presence_penalty = 3; }, "presence_penalty");
  refuse([](Request& r) { r.sampling.frequency_penalty = -3; }, "frequency_penalty");
  EXPECT_FALSE(engine->has_work());
  Request request;
  request.prompt = {1};
  engine->submit(request);
  refuse([](Request& r) { r.id = 0; }, "request id 0 is in use");
  EXPECT_EQ(run(*engine).size(), 1u);
}

TEST(Engine, ScoreGivesTheLogitsThatGenerationSees) {
  const std::vector<int32_t> ids = random_requests(1, 11)[0].prompt;
  const auto engine = make_engine(settings(40, 8, 5), single_rank());
  Request request;
  request.prompt = ids;
  request.max_tokens = 1;
  request.logits = true;
  engine->submit(request);
  std::vector<TokenEvent> events;
  while (events.empty()) events = engine->step();
  const TokenEvent& answer = events[0];
  std::vector<float> logits(ids.size() * FakeBlock::kVocab);
  engine->score(ids, logits.data());
  uint64_t fingerprint = 0;
  for (int64_t i = 0; i < FakeBlock::kVocab; ++i)
    fingerprint += fingerprint_mix(std::ssize(ids), i, logits[(ids.size() - 1) * FakeBlock::kVocab + i]);
  EXPECT_EQ(fingerprint, answer.fingerprint);
  const std::span row(logits.data() + (ids.size() - 1) * FakeBlock::kVocab, FakeBlock::kVocab);
  EXPECT_EQ(std::max_element(row.begin(), row.end()) - row.begin(), answer.token);
  EXPECT_TRUE(std::equal(row.begin(), row.end(), answer.logits.begin(), answer.logits.end()));
  EXPECT_EQ(engine->stats().free_blocks, 40);
  EXPECT_THROW(engine->score({}, logits.data()), InputError);
  EXPECT_THROW(engine->score(std::vector<int32_t>(121, 1), logits.data()), InputError);
}

TEST(FingerprintText, HasSixteenDigits) {
  EXPECT_EQ(fingerprint_text(0), "0000000000000000");
  EXPECT_EQ(fingerprint_text(0xfedcba9876543210), "fedcba9876543210");
}

TEST(Agree, GivesAllValuesOrTheFirstFailingRanksSentence) {
  run_ranks(3, [](RankComm& comm) {
    const int rank = comm.host->rank();
    EXPECT_EQ(agree(*comm.host, [&] { return std::to_string(rank); }), (std::vector<std::string>{"0", "1", "2"}));
    const auto failing = [&](auto fn, const char* sentence) {
      EXPECT_THAT([&] { agree(*comm.host, fn); }, ::testing::ThrowsMessage<InputError>(sentence));
    };
    failing([&]() -> std::string { bad_input("no such file"); }, "no such file");
    const std::string from_one = cat("rank 1 on host ", host_name(), ": bad 1");
    failing([&]() -> std::string { return rank == 0 ? "" : (bad_input("bad ", rank), ""); }, from_one.c_str());
    EXPECT_THROW(agree(*comm.host, [&]() -> std::string { return rank == 2 ? throw std::bad_alloc() : ""; }), CheckError);
  });
}

TEST(RequireEqual, NamesTheFirstDifferenceOnEveryRank) {
  run_ranks(3, [](RankComm& comm) {
    const int rank = comm.host->rank();
    require_equal(*comm.host, {{"--seed", "1"}});
    const auto refused = [&](const Traits& traits, const char* one, const char* two) {
      const std::string zero_has = cat("b must be the same on all ranks: rank 0 on host ", host_name(), " has 1, rank ");
      EXPECT_THAT([&] { require_equal(*comm.host, traits); },
                  ::testing::ThrowsMessage<InputError>(cat(zero_has, one, " on host ", host_name(), " has ", two)));
    };
    refused({{"a", "0"}, {"b", rank == 2 ? "2" : "1"}, {"c", rank == 2 ? "2" : "1"}}, "2", "2");
    refused({{"a", "0"}, {rank == 0 ? "b" : "\xff/b", std::to_string(rank + 1)}}, "1", "2 in \xff/b");
  });
}

}  // namespace
}  // namespace weft
