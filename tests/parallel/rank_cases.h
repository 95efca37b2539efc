#pragma once
// Test bodies that every rank runs, whatever carries the ranks: threads (thread_ranks_test) or processes
// (mpi_ranks_main). They use EXPECT/ASSERT of GoogleTest and derive all data from (rank, size), so each rank
// can check alone.
#include <ostream>
#include <vector>

#include "parallel/communicator.h"

namespace weft {

struct RankCase {
  const char* name;
  void (*body)(RankComm& ranks);
};
inline void PrintTo(const RankCase& rank_case, std::ostream* out) { *out << rank_case.name; }

std::vector<RankCase> comm_cases();
std::vector<RankCase> linear_tp_cases();
std::vector<RankCase> sample_tp_cases();
std::vector<RankCase> expert_cases();

}  // namespace weft
