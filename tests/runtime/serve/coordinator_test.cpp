#include <atomic>
#include <cmath>
#include <future>
#include <random>

#include "runtime/serve/admission.h"
#include "tests/runtime/serve/coordinator_fixture.h"

namespace weft {
namespace {

using namespace std::chrono_literals;

ServeCode code_of(const std::function<void()>& fn) {
  try {
    fn();
  } catch (const ServeError& e) {
    EXPECT_STRNE(e.what(), "");
    return e.code();
  }
  return ServeCode{0};
}

TEST(Coordinator, StreamsTheEnginesTokensAndTheirText) {
  Served served;
  const Delta answer = Asked(served, generation({1, 2, 3}, 40)).all();
  EXPECT_FALSE(answer.error);
  EXPECT_EQ(answer.tokens, fake_answer({1, 2, 3}, 40, 0));
  EXPECT_EQ(answer.text, served.tokenizer->decode(answer.tokens, true));
  EXPECT_FALSE(answer.text.empty());
  EXPECT_EQ(answer.finish, FinishReason::length);
  EXPECT_EQ(answer.prompt_tokens, 3);
  EXPECT_EQ(answer.completion_tokens, 40);
  EXPECT_EQ(answer.fingerprint, 7u);
  EXPECT_EQ(served.coordinator.stats().tokens, 40);
  EXPECT_EQ(served.coordinator.stats().engine.generated_tokens, 40);
}

// The log names a batch once, however it comes to run, and quotes nothing.
TEST(Coordinator, LogsRequestsByNumbers) {
  testing::internal::CaptureStderr();
  {
    Served served({}, {.max_requests = 2});
    std::deque<Generation> batch;
    for (int i = 1; i <= 3; ++i) batch.push_back(generation({i, 2}, 3));
    const std::vector<RequestId> begun = served.coordinator.submit(batch);
    EXPECT_EQ(begun, (std::vector<RequestId>{1, 2}));
    EXPECT_EQ(served.coordinator.submit(batch, 1), std::vector<RequestId>{3});
    for (const RequestId id : {3, 2}) served.coordinator.release(id);
    Asked(served, generation({FakeEngine::poison}, 5)).all();
  }
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, testing::HasSubstr("weft: batch received: requests=3 first=1 last=2 prompt_tokens=6 max_tokens=9\n"));
  // Or it was complete before it was released.
  EXPECT_THAT(log, testing::ContainsRegex("weft: request 3 ended: status=(CANCELLED|OK) prompt_tokens=2 .* "
                                          "finish_reason=(-|length) replays=0"));
  EXPECT_THAT(log, testing::HasSubstr("weft: request 4 received: prompt_tokens=1 max_tokens=5\n"));
  EXPECT_THAT(log, testing::HasSubstr("weft: error: request 4 ended: status=INTERNAL"));
  EXPECT_THAT(log, testing::Not(testing::HasSubstr("request 3 received")));
}

TEST(Coordinator, ManyThreadsEachGetTheirOwnAnswer) {
  Served served(50us);
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      for (int i = 0; i < 25; ++i) {
        const std::vector<int32_t> prompt = {t, i, 5};
        const int n = 1 + static_cast<int>(random() % 30);
        Asked asked(served, generation(prompt, n, t));
        if (random() % 4 == 0) {
          asked.next();
          served.coordinator.cancel(asked.id);
          continue;
        }
        const Delta answer = asked.all();
        ASSERT_FALSE(answer.error) << answer.error->what();
        ASSERT_EQ(answer.tokens, fake_answer(prompt, n, t));
      }
    });
  for (std::thread& thread : threads) thread.join();
  const CoordinatorStats stats = served.coordinator.stats();
  EXPECT_EQ(stats.unfinished, 0);
  EXPECT_EQ(stats.accepted, 200);
  EXPECT_EQ(stats.finished + stats.cancelled, 200);
}

// The promise of the coordinator: whenever the engine is lost, the client's stream is the one it would have
// been.
TEST(Coordinator, LosingTheEngineDoesNotChangeAStream) {
  Served served(300us, {.max_requests = 64});
  std::vector<std::unique_ptr<Asked>> asked;
  for (int i = 0; i < 16; ++i) asked.push_back(std::make_unique<Asked>(served, generation({i, 9}, 60, i)));
  int losses = 0;
  std::thread trouble([&] {
    std::mt19937 random(1);
    const auto all_ended = [&] {
      const CoordinatorStats now = served.coordinator.stats();
      return now.finished + now.failed == 16;
    };
    for (int i = 0; i < 2 && !all_ended(); ++i) {  // a third loss may come while one runs alone, and be taken for its doing
      while (served.link.tokens_taken() < 100 && !all_ended()) std::this_thread::sleep_for(100us);
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 3000));
      losses += served.link.lose();
    }
  });
  int replays = 0;
  for (int i = 0; i < 16; ++i) {
    const Delta answer = asked[i]->all();
    ASSERT_FALSE(answer.error) << answer.error->what();
    EXPECT_EQ(answer.tokens, fake_answer({i, 9}, 60, i));
    EXPECT_EQ(answer.text, served.tokenizer->decode(answer.tokens, true));
    replays += answer.replays;
  }
  trouble.join();
  EXPECT_GT(replays, 0);
  EXPECT_GT(losses, 0);
  EXPECT_LE(served.coordinator.stats().restarts, losses);
}

TEST(Coordinator, ADeadlyRequestIsFoundAndTakesNobodyWithIt) {
  Served served(200us);
  std::vector<std::unique_ptr<Asked>> innocent;
  for (int i = 0; i < 10; ++i) innocent.push_back(std::make_unique<Asked>(served, generation({i, 3}, 50, i)));
  Asked deadly(served, generation({FakeEngine::deadly}, 5)), other(served, generation({FakeEngine::deadly, 1}, 5));
  for (Asked* killer : {&deadly, &other}) {
    const Delta end = killer->all();
    ASSERT_TRUE(end.error);
    EXPECT_EQ(end.error->code(), ServeCode::internal);
    EXPECT_THAT(end.error->what(), ::testing::HasSubstr("while it computed this request: a deadly request"));
  }
  for (int i = 0; i < 10; ++i) {
    const Delta answer = innocent[i]->all();
    ASSERT_FALSE(answer.error) << answer.error->what();
    EXPECT_EQ(answer.tokens, fake_answer({i, 3}, 50, i));
  }
  EXPECT_LE(served.coordinator.stats().restarts, 6);
}

TEST(Coordinator, TokensBetweenDeathsDoNotHideTheirCause) {
  Served served(200us);
  std::vector<std::unique_ptr<Asked>> innocent;
  for (int i = 0; i < 5; ++i) innocent.push_back(std::make_unique<Asked>(served, generation({i, 3}, 100, i)));
  Asked restless(served, generation({FakeEngine::restless}, 400)), other(served, generation({FakeEngine::restless, 1}, 400));
  for (Asked* killer : {&restless, &other}) {
    const Delta end = killer->all();
    ASSERT_TRUE(end.error);
    EXPECT_EQ(end.error->code(), ServeCode::internal);
  }
  for (int i = 0; i < 5; ++i) {
    const Delta answer = innocent[i]->all();
    ASSERT_FALSE(answer.error) << answer.error->what();
    EXPECT_EQ(answer.tokens, fake_answer({i, 3}, 100, i));
  }
  EXPECT_LE(served.coordinator.stats().restarts, 8)
      << "two, one between turns of one token, and one in a turn of four, each";
}

TEST(Coordinator, WhoWaitsForTheEndOfASuspectIsServedAfterItsCancellation) {
  Served served(300ms);  // the suspect's step is long
  Asked suspect(served, generation({1}, 400));
  for (int i = 0; i < 2; ++i) {
    std::this_thread::sleep_for(100ms);  // in its first step
    served.link.lose();
    while (served.coordinator.stats().state != std::string_view("serving")) std::this_thread::sleep_for(1ms);
  }
  Asked waiting(served, generation({2}, 2));
  served.coordinator.cancel(suspect.id);
  EXPECT_EQ(waiting.all().tokens, fake_answer({2}, 2, 0));
}

TEST(Coordinator, ARequestOnItsWayToTheEngineHoldsNobodyUp) {
  Served served(100us);
  std::promise<void> release;
  served.link.on_submit = [&, released = release.get_future().share()](const Request& request) {
    if (request.prompt.size() > 1) released.wait();
  };
  Asked streaming(served, generation({1}, 400));
  streaming.next();
  Asked big(served, generation({1, 2, 3}, 10)), cancelled(served, generation({4, 5}, 10));
  EXPECT_EQ(served.coordinator.stats().unfinished, 3);
  served.coordinator.cancel(cancelled.id);
  EXPECT_TRUE(cancelled.all().error);
  EXPECT_FALSE(streaming.all().error);
  release.set_value();
  EXPECT_EQ(big.all().tokens, fake_answer({1, 2, 3}, 10, 0));
}

// What was on its way to an engine that is lost does not reach the next one beside its replay.
TEST(Coordinator, WhatWasOnItsWayToALostEngineIsSentOnce) {
  Served served(100us);
  std::atomic<int> submitted = 0;
  std::promise<void> under_way, release;
  served.link.on_submit = [&, released = release.get_future().share()](const Request&) {
    if (submitted++ > 0) return;
    under_way.set_value();
    released.wait();
  };
  Asked first(served, generation({1}, 10)), second(served, generation({2}, 10));
  under_way.get_future().wait();
  served.link.lose();
  release.set_value();
  EXPECT_EQ(first.all().tokens, fake_answer({1}, 10, 0));
  EXPECT_EQ(second.all().tokens, fake_answer({2}, 10, 0));
}

TEST(Coordinator, StopStringEndsTheTextBeforeItAndFreesTheEngine) {
  Served served(100us);
  const std::string text = Asked(served, generation({4, 4}, 200)).all().text;
  const std::string stop = text.substr(text.size() / 2, 3);
  Generation g = generation({4, 4}, 200);
  g.stop = {"never in the text", stop};
  const Delta answer = Asked(served, std::move(g)).all();
  EXPECT_EQ(answer.text, text.substr(0, text.find(stop)));
  EXPECT_EQ(answer.stop_string, stop);
  EXPECT_EQ(answer.finish, FinishReason::stop);
  EXPECT_LT(answer.completion_tokens, 200);
  for (int i = 0; i < 1000 && served.coordinator.stats().engine.running > 0; ++i) std::this_thread::sleep_for(1ms);
  EXPECT_EQ(served.coordinator.stats().engine.running, 0);
}

// The engine's tokens are taken whether or not a thread is free to make text of them. What waits for one is neither lost nor
// doubled by the engine's end, and a stop string in it counts as ever.
TEST(Coordinator, TextThatWaitsForAThreadIsTheSame) {
  Served served(100us);
  const std::string text = Asked(served, generation({4, 4}, 200)).all().text;
  const std::string stop = text.substr(text.size() / 2, 3);
  Generation stopping = generation({4, 4}, 200);
  stopping.stop = {stop};
  const Delta stopped = Asked(served, stopping).all();

  std::promise<void> gate;
  const std::shared_future<void> open = gate.get_future().share();
  std::atomic<int> held = 0;  // of the pool's threads
  for (int i = 0; i < 3; ++i)
    served.pool.run_urgent([open, &held] {
      ++held;
      open.wait();
    });
  for (int i = 0; i < 5000 && held < 3; ++i) std::this_thread::sleep_for(1ms);
  const auto until_generated = [&](int64_t tokens) {
    for (int i = 0; i < 5000 && served.coordinator.stats().engine.generated_tokens < tokens; ++i)
      std::this_thread::sleep_for(1ms);
  };
  Asked a(served, generation({7}, 450)), b(served, stopping), c(served, generation({8}, 400));
  until_generated(500);
  EXPECT_TRUE(served.link.lose());
  until_generated(500);
  served.coordinator.cancel(c.id);
  gate.set_value();
  const Delta whole = a.all(), cut = b.all();
  EXPECT_EQ(whole.tokens, fake_answer({7}, 450, 0));
  EXPECT_EQ(whole.text, served.tokenizer->decode(whole.tokens, true));
  EXPECT_EQ(cut.text, stopped.text);
  EXPECT_EQ(cut.tokens, stopped.tokens);
  EXPECT_EQ(cut.completion_tokens, stopped.completion_tokens);
  EXPECT_EQ(cut.stop_string, stop);
  EXPECT_EQ(c.all().error->code(), ServeCode::cancelled);
  EXPECT_EQ(served.coordinator.stats().tokens, 200 + 2 * stopped.completion_tokens + 450);
}

TEST(Coordinator, TakesWhatThereIsRoomForAndRefusesTheRest) {
  Served served(1ms, {.max_requests = 3});
  std::deque<Generation> waiting;
  for (int i = 0; i < 5; ++i) waiting.push_back(generation({i}, 400));
  const std::vector<RequestId> ids = served.coordinator.submit(waiting);
  EXPECT_EQ(ids.size(), 3u);
  EXPECT_EQ(waiting.size(), 2u);
  EXPECT_EQ(waiting.front().prompt, std::vector<int32_t>{3});
  EXPECT_EQ(code_of([&] { served.coordinator.submit(waiting); }), ServeCode::resource_exhausted);
  EXPECT_EQ(served.coordinator.submit(waiting, ids[0]).size(), 1u);
  EXPECT_EQ(waiting.size(), 1u);
  const CoordinatorStats stats = served.coordinator.stats();
  EXPECT_EQ(stats.unfinished, 3);
  EXPECT_EQ(stats.accepted, 4);
  EXPECT_EQ(stats.refused, 2);
  EXPECT_EQ(stats.cancelled, 1);
}

TEST(Coordinator, AnAnswerCountsUntilItIsReleased) {
  Served served({}, {.max_requests = 1});
  {
    Asked asked(served, generation({1}, 2));
    asked.all();
    EXPECT_EQ(served.coordinator.stats().unfinished, 1);
    EXPECT_EQ(code_of([&] { submit_all(served.coordinator, {generation({2}, 1)}); }), ServeCode::resource_exhausted);
  }
  EXPECT_EQ(served.coordinator.stats().unfinished, 0);
  EXPECT_EQ(Asked(served, generation({2}, 2)).all().tokens, fake_answer({2}, 2, 0));
}

TEST(Coordinator, CancelAndDeadlineEndARequestWithTheirCode) {
  Served served(5ms);
  Asked cancelled(served, generation({1}, 400));
  cancelled.next();
  served.coordinator.cancel(cancelled.id);
  EXPECT_EQ(cancelled.all().error->code(), ServeCode::cancelled);

  Generation late = generation({1}, 400), never = generation({1}, 2);
  late.deadline = ServeClock::now() + 40ms;
  never.deadline = ServeClock::now() + 1h;
  Asked a(served, std::move(late)), b(served, std::move(never));
  EXPECT_EQ(a.all().error->code(), ServeCode::deadline_exceeded);
  EXPECT_FALSE(b.all().error);

  Generation passed = generation({1}, 400);
  passed.deadline = ServeClock::now() - 1s;
  EXPECT_EQ(Asked(served, std::move(passed)).all().error->code(), ServeCode::deadline_exceeded);
  EXPECT_EQ(served.coordinator.stats().cancelled, 3);
}

TEST(Coordinator, DrainFinishesWhatRunsAndRefusesWhatComes) {
  Served served(1ms);
  Asked running(served, generation({1}, 30));
  served.coordinator.begin_drain();
  EXPECT_EQ(code_of([&] { submit_all(served.coordinator, {generation({2}, 1)}); }), ServeCode::unavailable);
  served.coordinator.finish_drain(std::chrono::duration<double>(60));
  EXPECT_EQ(running.all().tokens, fake_answer({1}, 30, 0));
}

TEST(Coordinator, DrainEndsWhatTakesTooLong) {
  Served served(5ms);
  Asked running(served, generation({1}, 400));
  running.next();
  served.stop();
  EXPECT_EQ(running.all().error->code(), ServeCode::unavailable);
  EXPECT_EQ(served.end, "");
}

TEST(Coordinator, TheEnginesEndReachesEveryClient) {
  Served served(5ms);
  Asked a(served, generation({1}, 400));
  served.link.end("the disk is on fire");
  const Delta answer = a.all();
  EXPECT_EQ(answer.error->code(), ServeCode::unavailable);
  EXPECT_STREQ(answer.error->what(), "the disk is on fire");
  EXPECT_EQ(code_of([&] { submit_all(served.coordinator, {generation({2}, 1)}); }), ServeCode::unavailable);
  served.stop();
  EXPECT_EQ(served.end, "the disk is on fire");
}

TEST(Coordinator, WhatTheEngineRefusesFailsAlone) {
  Served served;
  const Delta refused = Asked(served, generation({FakeEngine::poison}, 4)).all();
  ASSERT_TRUE(refused.error);
  EXPECT_EQ(refused.error->code(), ServeCode::internal);
  EXPECT_EQ(Asked(served, generation({1}, 4)).all().tokens, fake_answer({1}, 4, 0));
}

TEST(Coordinator, BeforeTheEngineIsReadyNothingIsAccepted) {
  FakeLink link;
  WorkPool pool(3);
  Coordinator coordinator(link, pool);
  EXPECT_EQ(code_of([&] { coordinator.check(generation({1}, 1)); }), ServeCode::unavailable);
  EXPECT_STREQ(coordinator.stats().state, "starting");
}

void render(ActiveGeneration& active) {
  Rendering work = active.begin_rendering();
  work.run();
  active.end_rendering(std::move(work));
}

TEST(ActiveGeneration, AReplayIsTheSameRequestWithTheTokensTold) {
  Generation g = generation({1, 2}, 16);
  g.cache_salt = "mine";
  ActiveGeneration active(std::move(g));
  active.push({.id = 3, .token = 7, .error = {}});
  const Request replay = active.request(3);
  EXPECT_EQ(replay.prompt, (std::vector<int32_t>{1, 2, 7}));
  EXPECT_EQ(replay.n_generated, 1);
  EXPECT_EQ(replay.cache_salt, "mine");
}

// The engine generates on until it hears of a stop string. What it made of it is no part of the answer.
TEST(ActiveGeneration, NothingBehindAStopStringCounts) {
  const auto tokenizer = test_tokenizer();
  const std::vector<int32_t> tokens = fake_answer({4}, 30, 0);
  const std::string stop = tokenizer->decode({tokens.begin() + 8, tokens.begin() + 9}, true);
  for (const FinishReason end : {FinishReason::none, FinishReason::length, FinishReason::error}) {
    Generation g = generation({4}, 30);
    g.text.emplace(*tokenizer, g.prompt, std::vector{stop});
    ActiveGeneration active(std::move(g));
    for (size_t i = 0; i < tokens.size(); ++i) {
      active.push({.id = 1,
                   .token = tokens[i],
                   .finish = i + 1 < tokens.size() ? FinishReason::none : end,
                   .fingerprint = i + 1,
                   .error = {}});
      if (i % 7 == 6 || i + 1 == tokens.size()) render(active);
    }
    const Delta answer = active.take();
    ASSERT_TRUE(answer.last && !answer.error);
    EXPECT_EQ(answer.finish, FinishReason::stop);
    EXPECT_EQ(answer.stop_string, stop);
    EXPECT_EQ(answer.completion_tokens, static_cast<int>(answer.fingerprint));
    EXPECT_EQ(answer.tokens, std::vector(tokens.begin(), tokens.begin() + answer.completion_tokens));
    const std::string all = tokenizer->decode(tokens, true);
    EXPECT_EQ(answer.text, all.substr(0, all.find(stop)));
  }
}

// All requests of a stream share what may wait for its reader.
TEST(ActiveGeneration, WhatNobodyReadsIsBounded) {
  const auto reader = std::make_shared<Reader>();
  Generation g = generation({1}, 1 << 20);
  g.reader = reader;
  ActiveGeneration a(g), b(g);
  const auto push = [](ActiveGeneration& to, int64_t tokens) {
    for (int64_t i = 0; i < tokens; ++i) to.push({.id = 1, .token = 5, .error = {}});
    render(to);
  };
  const int64_t most = max_unread_bytes / static_cast<int64_t>(sizeof(int32_t));
  push(a, most / 2);
  push(b, most / 2);
  EXPECT_FALSE(a.finished() || b.finished());
  EXPECT_EQ(reader->unread_bytes, max_unread_bytes);
  EXPECT_EQ(a.take().tokens.size(), static_cast<size_t>(most / 2));
  push(a, most / 2);
  EXPECT_FALSE(a.finished());
  push(b, 1);
  ASSERT_TRUE(b.finished());
  EXPECT_EQ(b.error()->code(), ServeCode::resource_exhausted);
  EXPECT_EQ(reader->unread_bytes, max_unread_bytes / 2);
  b.take();
  push(a, most / 2);
  EXPECT_FALSE(a.finished());
  a.fail({ServeCode::cancelled, "gone"});
  EXPECT_EQ(reader->unread_bytes, 0);
}

TEST(Admission, RefusesWhatCanNeverWork) {
  const auto refused = [](const std::function<void(Generation&)>& spoil) {
    Generation g = generation({1, 2}, 16);
    spoil(g);
    return code_of([&] { check_generation(g, fake_vocab, fake_max_model_len); }) == ServeCode::invalid_argument;
  };
  EXPECT_FALSE(refused([](Generation&) {}));
  EXPECT_TRUE(refused([](Generation& g) { g.prompt = {}; }));
  EXPECT_TRUE(refused([](Generation& g) { g.prompt = {-1}; }));
  EXPECT_TRUE(refused([](Generation& g) { g.prompt = {fake_vocab}; }));
  EXPECT_FALSE(refused([](Generation& g) { g.prompt.assign(fake_max_model_len - 1, 1); }));
  EXPECT_TRUE(refused([](Generation& g) { g.prompt.assign(fake_max_model_len, 1); }));
  EXPECT_TRUE(refused([](Generation& g) { g.max_tokens = 0; }));
  EXPECT_TRUE(refused([](Generation& g) { g.max_tokens = -5; }));
  EXPECT_TRUE(refused([](Generation& g) { g.max_tokens = 1 << 30; }));
  for (const float bad : {-1.f, 101.f, std::nanf(""), INFINITY})
    EXPECT_TRUE(refused([=](Generation& g) { g.sampling.temperature = bad; })) << bad;
  EXPECT_TRUE(refused([](Generation& g) { g.sampling.top_k = -1; }));
  for (const float bad : {0.f, -1.f, 1.5f, std::nanf("")})
    EXPECT_TRUE(refused([=](Generation& g) { g.sampling.top_p = bad; })) << bad;
  for (const float bad : {-0.1f, 1.5f, std::nanf("")})
    EXPECT_TRUE(refused([=](Generation& g) { g.sampling.min_p = bad; })) << bad;
  for (const float bad : {0.f, -1.f, 1e9f, std::nanf("")})
    EXPECT_TRUE(refused([=](Generation& g) { g.sampling.repetition_penalty = bad; })) << bad;
  EXPECT_FALSE(refused([](Generation& g) { g.cache_salt.assign(256, 'x'); }));
  EXPECT_TRUE(refused([](Generation& g) { g.cache_salt.assign(257, 'x'); }));
  EXPECT_TRUE(refused([](Generation& g) { g.stop.assign(17, "x"); }));
  EXPECT_TRUE(refused([](Generation& g) { g.stop = {""}; }));
  EXPECT_TRUE(refused([](Generation& g) { g.stop = {std::string(257, 'x')}; }));
}

}  // namespace
}  // namespace weft
