// The rank cases on thread ranks, and what only threads can test: abort and mismatched collectives in one
// process.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "tests/parallel/rank_cases.h"
#include "tests/support/ranks.h"

namespace weft {
namespace {

class OnThreads : public testing::TestWithParam<std::tuple<RankCase, int>> {};

TEST_P(OnThreads, Runs) {
  const auto [rank_case, ranks] = GetParam();
  run_ranks(ranks, rank_case.body);
}

std::vector<RankCase> all_cases() {
  std::vector<RankCase> cases;
  for (const auto& group : {comm_cases(), linear_tp_cases(), sample_tp_cases(), expert_cases()})
    cases.insert(cases.end(), group.begin(), group.end());
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Cases, OnThreads, testing::Combine(testing::ValuesIn(all_cases()), testing::Range(1, 6)),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param).name) + "_on_" +
                                  std::to_string(std::get<1>(info.param));
                         });

using Bytes = std::vector<std::byte>;

TEST(ThreadRanks, AbortWakesEveryCollective) {
  for (int round = 0; round < 20; ++round) {
    std::atomic<int> woken{0};
    run_ranks(5, [&](RankComm& ranks) {
      const int me = ranks.tensors->rank();
      if (me == round % 5) {
        if (round % 2) std::this_thread::sleep_for(std::chrono::milliseconds(3));  // the others sleep by then
        ranks.tensors->abort("the disk is on fire");
        return;
      }
      Bytes data(40), one(8);
      const std::vector<int64_t> counts(5, 8);
      try {
        switch ((me + round) % 4) {
          case 0: ranks.tensors->all_gather_v(data, one, counts); break;
          case 1: ranks.host->barrier(); break;
          case 2: ranks.host->all_gather("x"); break;
          case 3: me == 0 ? ranks.host->barrier() : void(ranks.host->receive()); break;
        }
        ADD_FAILURE() << "rank " << me << " was let through";
      } catch (const CommError& error) {
        EXPECT_STREQ(error.what(), "the disk is on fire");
        ++woken;
      }
      EXPECT_THROW(ranks.tensors->broadcast(data, 0), CommError);  // and stays aborted
    });
    EXPECT_EQ(woken, 4);
  }
}

// Whoever of a group aborts, or the whole, ends all: those that wait in another group, for a message, or make a group.
TEST(ThreadRanks, AbortEndsEveryGroup) {
  for (int round = 0; round < 20; ++round) {
    run_ranks(4, [&](RankComm& ranks) {
      Communicator& comm = *ranks.tensors;
      const int me = comm.rank();
      const std::unique_ptr<Communicator> pair = comm.split(me < 2 ? std::vector<int>{0, 1} : std::vector<int>{2, 3});
      Bytes data(8);
      const Tensor tensor(data.data(), DType::f32, {2});
      if (me == 0) {
        if (round % 2) std::this_thread::sleep_for(std::chrono::milliseconds(3));
        (round % 3 ? *pair : comm).abort("the disk is on fire");
        return;
      }
      try {
        if (me == 1) pair->broadcast(data, 0);
        if (me == 2) pair->recv(tensor, 1);
        if (me == 3) comm.split(std::vector<int>{0, 1, 2, 3});
        ADD_FAILURE() << "rank " << me << " was let through";
      } catch (const CommError& error) {
        EXPECT_STREQ(error.what(), "the disk is on fire");
      }
      EXPECT_THROW(pair->send(tensor, 1 - pair->rank()), CommError);
    });
  }
}

// A rank that leaves because of an abort frees its buffers at once; nobody may still be reading them.
TEST(ThreadRanks, AbortDuringTrafficIsSafe) {
  for (int round = 0; round < 50; ++round) {
    EXPECT_THROW(run_ranks(4,
                           [&](RankComm& ranks) {
                             const std::vector<int64_t> counts(4, 50'000);
                             for (int i = 0;; ++i) {
                               Bytes send(50'000), recv(200'000);
                               if (ranks.tensors->rank() == round % 4 && i == round) throw std::runtime_error("gone");
                               ranks.tensors->all_gather_v(recv, send, counts);
                             }
                           }),
                 std::runtime_error);
  }
}

TEST(ThreadRanks, RanksThatDisagreeAreAllTold) {
  EXPECT_THROW(run_ranks(3,
                         [](RankComm& ranks) {
                           const int64_t mine = ranks.tensors->rank() == 1 ? 4 : 8;
                           Bytes send(mine), recv(3 * mine);
                           ranks.tensors->all_gather_v(recv, send, std::vector<int64_t>(3, mine));
                         }),
               CommError);
}

TEST(ThreadRanks, TheFirstErrorIsRethrown) {
  try {
    run_ranks(3, [](RankComm& ranks) {
      if (ranks.tensors->rank() == 2) throw std::runtime_error("mine");
      ranks.host->barrier();
    });
    ADD_FAILURE();
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "mine");
  }
}

}  // namespace
}  // namespace weft
