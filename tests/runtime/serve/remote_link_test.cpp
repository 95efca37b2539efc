#include "runtime/serve/remote_link.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "parallel/communicator.h"
#include "parallel/network.h"
#include "runtime/serve/conversions.h"
#include "tests/runtime/serve/coordinator_fixture.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using v1::worker::FromWorker;
using v1::worker::ToWorker;

FrameSocket come(const Invitation& invitation) { return FrameSocket(enter(invitation, 0, Purpose::commands)); }

// A connection that says nothing.
FileDescriptor stranger_at(const Invitation& invitation) {
  const auto port = static_cast<uint16_t>(std::stoi(invitation.address.substr(invitation.address.rfind(':') + 1)));
  return connect_any({"127.0.0.1"}, port, 1s);
}

// A job that is a thread; it has ended when `life` returns.
class ThreadJob final : public WorkerJob {
 public:
  explicit ThreadJob(std::function<void()> life) : ended_(::eventfd(0, EFD_CLOEXEC)) {
    thread_ = std::thread([this, life = std::move(life)] {
      life();
      const uint64_t one = 1;
      EXPECT_EQ(::write(ended_.get(), &one, sizeof one), 8);
    });
  }
  ~ThreadJob() override { thread_.join(); }
  int ended_fd() const override { return ended_.get(); }
  std::string why_it_ended() override { return "the thread came to its end"; }

 private:
  FileDescriptor ended_;
  std::thread thread_;
};

// A worker over a FakeEngine, as launcher/worker.cpp is over a real one. It dies without a word after
// `frames` frames of tokens.
void fake_worker(const Invitation& invitation, int frames) {
  FrameSocket socket = come(invitation);
  CommandQueue commands;
  std::thread reader([&] {
    for (ToWorker frame; socket.receive(frame) && !frame.has_drain();) {
      if (frame.has_submit())
        commands.push(from_proto(frame.submit()));
      else
        commands.push(RequestId{frame.cancel().id()});
    }
    commands.close();
  });
  FakeEngine engine(100us);
  std::atomic<bool> stepping = false;
  run_engine(
      engine, commands,
      [&](const EngineEvent& event) {
        const FromWorker frame = to_frame(event);
        if (frame.has_tokens() && frames-- == 0) ::shutdown(socket.fd(), SHUT_RDWR);
        socket.send(frame);
      },
      stepping);
  reader.join();
}

template <class T>
T expect_event(EngineLink& link) {
  EngineEvent event = link.next();
  EXPECT_TRUE(std::holds_alternative<T>(event)) << event.index();
  return std::holds_alternative<T>(event) ? std::get<T>(event) : T{};
}

TEST(RemoteLink, RestartsItsJobAndStreamsGoOn) {
  int jobs = 0;
  RemoteLink link(JobListener(),
                  [&](const Invitation& i) {
                    const int frames = ++jobs <= 3 ? 10 * jobs : 1 << 30;
                    return std::make_unique<ThreadJob>([=] { fake_worker(i, frames); });
                  },
                  {.first_delay_s = 0.001});
  WorkPool pool(3);
  Coordinator coordinator(link, pool);
  std::thread run([&] { EXPECT_EQ(coordinator.run([](bool) {}), ""); });
  while (!coordinator.model()) std::this_thread::sleep_for(1ms);
  EXPECT_EQ(coordinator.model()->vocab_size, fake_vocab);
  {
    Asked a(coordinator, generation({1, 2}, 100, 5)), b(coordinator, generation({3}, 90, 6));
    EXPECT_EQ(a.all().tokens, fake_answer({1, 2}, 100, 5));
    const Delta answer = b.all();
    EXPECT_EQ(answer.tokens, fake_answer({3}, 90, 6));
    EXPECT_EQ(answer.replays, 3);
  }
  coordinator.begin_drain();
  coordinator.finish_drain(1s);
  run.join();
  EXPECT_EQ(jobs, 4);
}

// A worker by hand: what it sends, and whether it reads.
struct Puppet {
  explicit Puppet(const Invitation& invitation) : socket(come(invitation)) {}
  void hello(const Traits& traits = {}) {
    FromWorker frame;
    *frame.mutable_hello()->mutable_traits() = to_proto(traits);
    *frame.mutable_hello()->mutable_info() = to_proto(EngineReady{.vocab_size = fake_vocab, .max_model_len = fake_max_model_len});
    socket.send(frame);
  }
  void beat(bool stepping, uint64_t progress) {
    FromWorker frame;
    frame.mutable_beat()->set_stepping(stepping);
    frame.mutable_beat()->set_progress(progress);
    socket.send(frame);
  }
  FrameSocket socket;
};

TEST(RemoteLink, GivesUpAfterFailingForLong) {
  RemoteLink link(JobListener(), [](const Invitation& i) { return std::make_unique<ThreadJob>([=] { Puppet(i).hello(); }); },
                  {.restart_for_s = 0.2, .first_delay_s = 0.001});
  WorkPool pool(3);
  Coordinator coordinator(link, pool);
  EXPECT_THAT(coordinator.run([](bool) {}), ::testing::ContainsRegex("failed [0-9]+ times in a row over 0 s"));
}

// The first job of a link does what `life` says, the second waits for its end.
std::string sentence_of_loss(size_t prompt, const std::function<void(Puppet&)>& life) {
  std::atomic<int> jobs = 0;
  std::atomic<bool> over = false;
  RemoteLink link(JobListener(),
                  [&](const Invitation& i) {
                    return std::make_unique<ThreadJob>([&, i, first = ++jobs == 1] {
                      Puppet puppet(i);
                      puppet.hello();
                      if (first) life(puppet);
                      while (first && !over) std::this_thread::sleep_for(1ms);
                    });
                  },
                  {.step_timeout_s = 0.3, .first_delay_s = 0.001});
  expect_event<EngineReady>(link);
  link.submit({.id = 1, .prompt = std::vector<int32_t>(prompt), .max_tokens = 5});
  const std::string sentence = expect_event<EngineLost>(link).sentence;
  link.submit({.id = 1, .prompt = {1}, .max_tokens = 5});  // dropped: there is no engine
  over = true;
  expect_event<EngineReady>(link);
  return sentence;
}

TEST(RemoteLink, AJobThatStopsIsNoticedAndWritingToItHoldsNobodyUp) {
  constexpr size_t more_than_any_socket_holds = 8 << 20;
  EXPECT_THAT(sentence_of_loss(more_than_any_socket_holds, [](Puppet&) {}),
              ::testing::StartsWith(cat("rank 0 on host ", host_name(), " was silent for 0.24 s")));
  EXPECT_THAT(sentence_of_loss(1, [](Puppet& puppet) {  // alive, but the step stands still
                for (int i = 0; i < 30; ++i, std::this_thread::sleep_for(50ms)) puppet.beat(true, 7);
              }),
              ::testing::StartsWith("a step made no progress for 0.3 s"));
}

TEST(RemoteLink, SlowStepsAndIdleJobsAreNotStopped) {
  EXPECT_THAT(sentence_of_loss(1, [](Puppet& puppet) {
                for (int i = 0; i < 20; ++i, std::this_thread::sleep_for(50ms)) puppet.beat(true, i);
                for (int i = 0; i < 20; ++i, std::this_thread::sleep_for(50ms)) puppet.beat(false, 20);
                FromWorker frame;
                frame.mutable_fatal()->set_sentence("the end");
                puppet.socket.send(frame);
              }),
              "the end");
}

TEST(RemoteLink, OfALostRankTheLauncherKnowsMore) {
  for (const bool ends : {true, false}) {  // a stopped rank does not end the job
    std::atomic<bool> over = false;
    RemoteLink link(JobListener(), [&](const Invitation& i) {
      return std::make_unique<ThreadJob>([&, i] {
        Puppet puppet(i);
        puppet.hello();
        FromWorker frame;
        frame.mutable_rank_lost()->set_sentence("rank 1 is gone");
        puppet.socket.send(frame);
        while (!ends && !over) std::this_thread::sleep_for(1ms);
      });
    });
    expect_event<EngineReady>(link);
    EXPECT_EQ(expect_event<EngineLost>(link).sentence, ends ? "the thread came to its end" : "rank 1 is gone");
    over = true;
  }
}

TEST(RemoteLink, ABadModelEndsTheLinkWithItsSentence) {
  RemoteLink link(JobListener(), [](const Invitation& i) {
    return std::make_unique<ThreadJob>([=] {
      FrameSocket socket = come(i);
      FromWorker frame;
      frame.mutable_fatal()->set_sentence("model caf\xe9.gguf is truncated");  // a file name need not be UTF-8
      socket.send(frame);
      ToWorker none;
      socket.receive(none);
    });
  });
  EXPECT_EQ(expect_event<EngineEnded>(link).sentence, "model caf\xe9.gguf is truncated");
}

TEST(RemoteLink, ARank0OfAnotherVersionIsRefused) {
  const auto tells = [](const Traits& theirs) {
    RemoteLink link(JobListener(),
                    [&](const Invitation& i) { return std::make_unique<ThreadJob>([=] { Puppet(i).hello(theirs); }); }, {},
                    {{"Weft", "2"}, {"tokenizer.json", "b"}});
    return expect_event<EngineEnded>(link).sentence;
  };
  EXPECT_THAT(tells({}), ::testing::HasSubstr(
                             cat("rank 0 on host ", host_name(), " has none, the server on host ", host_name(), " has 2;")));
  EXPECT_THAT(tells({{"Weft", "2"}, {"/b/tokenizer.json", "a"}}),
              ::testing::HasSubstr(cat("has a, the server on host ", host_name(), " has b in tokenizer.json; copy it")));
}

TEST(RemoteLink, AJobThatNeverConnectsEndsTheLink) {
  RemoteLink link(JobListener(), [](const Invitation&) { return std::make_unique<ThreadJob>([] {}); });
  EXPECT_NE(expect_event<EngineEnded>(link).sentence, "");
}

TEST(RemoteLink, StrangersAreNotTheWorker) {
  RemoteLink link(JobListener(), [](const Invitation& i) {
    return std::make_unique<ThreadJob>([=] {
      std::vector<FileDescriptor> silent;
      for (int n = 0; n < 100; ++n) silent.push_back(stranger_at(i));
      EXPECT_THROW(enter({i.address, std::string(i.token.size(), '0'), ""}, 0, Purpose::commands), CommError);
      const FileDescriptor garbage = stranger_at(i);
      EXPECT_GT(::send(garbage.get(), "GET / HTTP/1.1\r\n", 16, MSG_NOSIGNAL), 0);
      EXPECT_THROW(enter(i, 1, Purpose::commands), CommError) << "only rank 0 comes";
      fake_worker(i, 1 << 30);
    });
  });
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(expect_event<EngineReady>(link).model_type, "fake");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 900ms) << "strangers were waited for";
  link.close();
  EXPECT_EQ(expect_event<EngineEnded>(link).sentence, "");
}

TEST(RemoteLink, DrainingDoesNotWaitForRanksThatStayAway) {
  std::atomic<bool> leave = false;
  int jobs = 0;
  RemoteLink link(JobListener(),
                  [&](const Invitation& i) {
                    return std::make_unique<ThreadJob>([&, i, first = ++jobs == 1] {
                      if (first) Puppet(i).hello();
                      while (!first && !leave) std::this_thread::sleep_for(1ms);
                    });
                  },
                  {.first_delay_s = 0.001});
  WorkPool pool(3);
  Coordinator coordinator(link, pool, {.absence = 300ms});
  std::thread run([&] { coordinator.run([](bool) {}); });
  while (coordinator.stats().restarts == 0) std::this_thread::sleep_for(1ms);
  Asked waiting(coordinator, generation({1}, 10));
  coordinator.begin_drain();
  const auto begin = std::chrono::steady_clock::now();
  coordinator.finish_drain(60s);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 1s);
  EXPECT_EQ(waiting.all().error->code(), ServeCode::unavailable);
  leave = true;
  run.join();
}

TEST(RemoteLink, AJobThatDoesNotComeInTimeEndsTheLink) {
  std::atomic<bool> leave = false;
  RemoteLink link(JobListener(),
                  [&](const Invitation&) {
                    return std::make_unique<ThreadJob>([&] {
                      while (!leave) std::this_thread::sleep_for(1ms);
                    });
                  },
                  {.start_timeout_s = 0.2});
  EXPECT_THAT(expect_event<EngineEnded>(link).sentence, ::testing::StartsWith("the ranks did not start within 0.2 s"));
  leave = true;
}

TEST(RemoteLink, CloseInterruptsTheWaitForAJob) {
  std::atomic<bool> leave = false;
  RemoteLink link(JobListener(), [&](const Invitation&) {
    return std::make_unique<ThreadJob>([&] {
      while (!leave) std::this_thread::sleep_for(1ms);
    });
  });
  std::thread closer([&] {
    link.close();
    std::this_thread::sleep_for(5ms);
    leave = true;
  });
  EXPECT_EQ(expect_event<EngineEnded>(link).sentence, "");
  closer.join();
}

TEST(FrameSocket, RoundTripAndLimits) {
  int fds[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
  FrameSocket a{FileDescriptor(fds[0])}, b{FileDescriptor(fds[1])};
  const Request request{
      .id = 9,
      .prompt = {1, 2, 3},
      .n_generated = 2,
      .max_tokens = 5,
      .ignore_eos = true,
      .sampling =
          {.temperature = 0.5f, .top_k = 3, .top_p = 0.25f, .min_p = 0.125f, .repetition_penalty = 1.5f, .presence_penalty = -0.5f,
           .frequency_penalty = 0.75f, .seed = ~0ull},
      .cache_salt = "mine"};
  ToWorker sent, got;
  *sent.mutable_submit() = to_proto(request);
  ASSERT_TRUE(a.send(sent));
  ASSERT_TRUE(b.receive(got));
  const Request back = from_proto(got.submit());
  EXPECT_EQ(back.id, 9u);
  EXPECT_EQ(back.prompt, request.prompt);
  EXPECT_EQ(back.n_generated, 2);
  EXPECT_EQ(back.max_tokens, 5);
  EXPECT_TRUE(back.ignore_eos);
  EXPECT_EQ(back.sampling.temperature, 0.5f);
  EXPECT_EQ(back.sampling.top_k, 3);
  EXPECT_EQ(back.sampling.top_p, 0.25f);
  EXPECT_EQ(back.sampling.min_p, 0.125f);
  EXPECT_EQ(back.sampling.repetition_penalty, 1.5f);
  EXPECT_EQ(back.sampling.presence_penalty, -0.5f);
  EXPECT_EQ(back.sampling.frequency_penalty, 0.75f);
  EXPECT_EQ(back.sampling.seed, ~0ull);
  EXPECT_EQ(back.cache_salt, "mine");

  ASSERT_TRUE(a.send(sent));
  EXPECT_FALSE(b.receive(got, 4));
}

TEST(FrameSocket, ATruncatedFrameIsNoFrame) {
  int fds[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
  FrameSocket reader{FileDescriptor(fds[0])};
  {
    const FileDescriptor writer(fds[1]);
    ASSERT_EQ(::send(writer.get(), "\x40\0\0\0half", 8, 0), 8);
  }
  ToWorker got;
  EXPECT_FALSE(reader.receive(got));
}

}  // namespace
}  // namespace weft
