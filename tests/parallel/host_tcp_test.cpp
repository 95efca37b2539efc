// The TCP control plane with threads as its ranks: the host cases, strangers at the door, peers that vanish.
#include "parallel/host_tcp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "kernels/core/check.h"
#include "parallel/network.h"
#include "tests/parallel/rank_cases.h"

namespace weft {
namespace {

using Watched = std::vector<RankWatch::Peer>;

// Connects n ranks over loopback and runs body(rank's connection, those to be watched) on a thread each.
template <class Body>
void run_tcp_ranks(int n, const Body& body) {
  JobListener listener;
  const Invitation invitation = listener.invitation();
  std::vector<std::thread> threads;
  for (int rank = 0; rank < n; ++rank) {
    threads.emplace_back([&, rank] {
      RankComm ranks;
      HostLink link = rank == 0 ? accept_ranks(listener, n) : join_host(invitation, rank, n);
      ranks.host = std::move(link.comm);
      body(ranks, std::move(link.watched));
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(HostTcp, RunsTheHostCases) {
  for (const RankCase& rank_case : comm_cases()) {
    if (std::string_view(rank_case.name).substr(0, 5) != "host_") continue;
    for (const int n : {1, 2, 4}) run_tcp_ranks(n, [&](RankComm& ranks, Watched) { rank_case.body(ranks); });
  }
}

TEST(HostTcp, AVanishedPeerIsAnError) {
  run_tcp_ranks(3, [](RankComm& ranks, Watched) {
    HostComm& host = *ranks.host;
    if (host.rank() == 0) return;  // closes its connections
    try {
      host.receive();
      ADD_FAILURE();
    } catch (const CommError& error) {
      EXPECT_STREQ(error.what(), "rank 0 closed its connection");
    }
  });
  run_tcp_ranks(2, [](RankComm& ranks, Watched) {
    if (ranks.host->rank() != 0) return;
    EXPECT_THROW(ranks.host->barrier(), CommError);
  });
}

// What rank 0 was told by its watch.
struct Told {
  std::mutex mutex;
  std::condition_variable changed;
  std::string lost;
  std::vector<uint64_t> beats;

  RankWatch::Tell tell() {
    return {.lost =
                [this](const LostRank& rank) {
                  std::lock_guard lock(mutex);
                  lost = rank.sentence;
                  changed.notify_all();
                },
            .beat =
                [this](uint64_t p) {
                  std::lock_guard lock(mutex);
                  beats.push_back(p);
                  changed.notify_all();
                },
            .progress = [] { return 0; }};
  }
  template <class Done>
  bool wait(const Done& done) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, std::chrono::seconds(20), done);
  }
};

RankWatch::Tell computing(std::atomic<uint64_t>& progress) {
  return {.lost = [](const LostRank& lost) { ADD_FAILURE() << lost.sentence; }, .progress = [&] { return ++progress; }};
}

TEST(RankWatch, AClosedConnectionIsNoticedAtOnceAndSilenceAfterAWhile) {
  for (const bool closes : {true, false}) {
    Told told;
    run_tcp_ranks(3, [&](RankComm& ranks, Watched watched) {
      const int rank = ranks.host->rank();
      std::atomic<uint64_t> progress = 0;
      if (rank == 2) {  // never watches, nor says goodbye
        const uint64_t alive = 7;
        EXPECT_EQ(::send(watched[0].socket.get(), &alive, sizeof alive, 0), 8);
        EXPECT_EQ(watched[0].host, host_name());
        ranks.host->barrier();
        if (closes) watched.clear();
        ranks.host->barrier();
        return;
      }
      RankWatch watch(std::move(watched), 1.0, rank == 0 ? told.tell() : computing(progress));
      if (rank == 0) {
        EXPECT_TRUE(told.wait([&] { return told.beats.size() >= 3; }));
        EXPECT_NE(told.beats.front(), told.beats.back()) << "rank 1 computes";
      }
      ranks.host->barrier();
      if (rank == 0) {
        const auto begin = std::chrono::steady_clock::now();
        EXPECT_TRUE(told.wait([&] { return !told.lost.empty(); }));
        const auto took = std::chrono::steady_clock::now() - begin;
        EXPECT_THAT(told.lost,
                    ::testing::StartsWith(cat("rank 2 on host ", host_name(), closes ? " is gone" : " was silent for 1 s")));
        if (closes) EXPECT_LT(took, std::chrono::milliseconds(400));
      }
      ranks.host->barrier();
    });
  }
}

TEST(RankWatch, OtherRanksWatchRank0) {
  Told told;
  run_tcp_ranks(2, [&](RankComm& ranks, Watched watched) {
    if (ranks.host->rank() == 0) {
      const uint64_t alive = 7;
      EXPECT_EQ(::send(watched[0].socket.get(), &alive, sizeof alive, 0), 8);
    } else {
      RankWatch watch(std::move(watched), 1.0, told.tell());
      EXPECT_TRUE(told.wait([&] { return !told.lost.empty(); }));
      EXPECT_THAT(told.lost, ::testing::StartsWith(cat("rank 0 on host ", host_name(), " was silent for 1 s")));
    }
    ranks.host->barrier();
  });
}

TEST(RankWatch, WhoSaysGoodbyeIsNotLost) {
  Told told;
  run_tcp_ranks(2, [&](RankComm& ranks, Watched watched) {
    auto watch = std::make_unique<RankWatch>(std::move(watched), 0.6, told.tell());
    ranks.host->barrier();
    if (ranks.host->rank() == 1) watch.reset();
    std::this_thread::sleep_for(std::chrono::milliseconds(1500));
  });
  EXPECT_EQ(told.lost, "");
}

TEST(HostTcp, CallsOutOfStepAreAnError) {
  run_tcp_ranks(2, [](RankComm& ranks, Watched) {
    if (ranks.host->rank() == 0) {
      ranks.host->publish({});
    } else {
      EXPECT_THROW(ranks.host->barrier(), CommError);
    }
  });
}

TEST(HostTcp, RanksThatDoNotComeAreNamed) {
  JobListener listener;
  std::thread peer([invitation = listener.invitation()] { join_host(invitation, 2, 4); });
  try {
    accept_ranks(listener, 4, std::chrono::milliseconds(300));
    ADD_FAILURE();
  } catch (const CommError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("of the ranks, 1, 3 did not connect"));
    EXPECT_THAT(error.what(), testing::HasSubstr("127.0.0.1:"));
  }
  peer.join();
}

TEST(HostTcp, NoWayToRank0) {
  try {
    join_host({"127.0.0.1:1", JobListener().invitation().token, "here"}, 1, 2);
    ADD_FAILURE();
  } catch (const CommError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("rank 1 found no way to rank 0: port 1 could not be reached"));
  }
}

}  // namespace
}  // namespace weft
