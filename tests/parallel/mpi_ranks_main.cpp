// The rank cases between processes: mpirun -n N mpi_ranks_test [abort | idle SECONDS]
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include "tests/parallel/rank_cases.h"

namespace weft {
namespace {

class MpiCase : public testing::Test {
 public:
  MpiCase(const RankCase& rank_case, RankComm& ranks) : case_(rank_case), ranks_(ranks) {}
  void TestBody() override {
    try {
      case_.body(ranks_);
    } catch (const std::exception& error) {
      ADD_FAILURE() << case_.name << ": " << error.what();
    }
    if (HasFailure()) {  // this rank may be out of step with the others now
      std::fflush(stdout);
      abort_job(1);
    }
    ranks_.host->barrier();
  }

 private:
  RankCase case_;
  RankComm& ranks_;
};

int run_cases(RankComm& ranks) {
  for (const auto& group : {comm_cases(), linear_tp_cases(), sample_tp_cases(), expert_cases()}) {
    for (const RankCase& rank_case : group) {
      testing::RegisterTest("Mpi", rank_case.name, nullptr, nullptr, __FILE__, __LINE__,
                            [&ranks, rank_case] { return new MpiCase(rank_case, ranks); });
    }
  }
  return RUN_ALL_TESTS();
}

// The last rank aborts while the others wait for it; all must hear why. The process ends without
// MPI_Finalize.
int run_abort(RankComm& ranks) {
  Communicator& comm = *ranks.tensors;
  if (comm.rank() == comm.size() - 1) {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    comm.abort("the disk is on fire");
    std::this_thread::sleep_for(std::chrono::milliseconds(500));  // mpirun kills the others when this one ends
    return 0;
  }
  std::vector<std::byte> all(comm.size() * 64), mine(64);
  const std::vector<int64_t> counts(comm.size(), 64);
  try {
    if (comm.rank() % 2) {
      comm.all_to_all_v(all, counts, all, counts);
    } else {
      comm.all_gather_v(all, mine, counts);
    }
  } catch (const CommError& error) {
    std::printf("rank %d heard: %s\n", comm.rank(), error.what());
    std::fflush(stdout);
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(400));
  return 0;
}

// CPU time of a rank that waits for the next plan.
int run_idle(RankComm& ranks, int seconds) {
  if (ranks.host->rank() == 0) {
    for (int i = 0; i < 1000; ++i) ranks.host->publish({});
    std::this_thread::sleep_for(std::chrono::seconds(seconds));
    ranks.host->publish({});
    return 0;
  }
  const auto cpu_seconds = [] {
    rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + 1e-6 * (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
  };
  for (int i = 0; i < 1000; ++i) ranks.host->receive();
  const double before = cpu_seconds();
  ranks.host->receive();
  const double share = (cpu_seconds() - before) / seconds;
  std::printf("rank %d: %.3f %% CPU while idle\n", ranks.host->rank(), share * 100);
  return share <= 0.01 ? 0 : 1;
}

}  // namespace
}  // namespace weft

int main(int argc, char** argv) {
  GTEST_FLAG_SET(brief, true);  // N ranks print
  testing::InitGoogleTest(&argc, argv);
  if (!weft::under_mpi_launcher()) {
    std::fprintf(stderr, "start this test with mpirun\n");
    return 2;
  }
  weft::RankComm ranks = weft::mpi_rank(20, [](const weft::LostRank& lost) {
    std::fprintf(stderr, "%s\n", lost.sentence.c_str());
    std::_Exit(1);
  });
  const std::string mode = argc > 1 ? argv[1] : "cases";
  if (mode == "abort") return weft::run_abort(ranks);
  if (mode == "idle") return weft::run_idle(ranks, std::atoi(argv[2]));
  return weft::run_cases(ranks);
}
