#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "parallel/communicator.h"

namespace weft {
namespace {

// Exactly these variables of launchers, as long as it lives.
class Launchers {
 public:
  explicit Launchers(std::map<std::string, std::string> set) : set_(std::move(set)) {
    for (const char* name : {"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"}) unsetenv(name);
    for (const auto& [name, value] : set_) setenv(name.c_str(), value.c_str(), 1);
  }
  ~Launchers() {
    for (const auto& [name, value] : set_) unsetenv(name.c_str());
  }

 private:
  const std::map<std::string, std::string> set_;
};

TEST(MpiLauncher, RanksOfMpirunAndOfSrunWithPmix) {
  Launchers mpirun({{"OMPI_COMM_WORLD_SIZE", "4"}, {"OMPI_COMM_WORLD_RANK", "3"}, {"PMIX_RANK", "3"}});
  EXPECT_TRUE(under_mpi_launcher());
  EXPECT_EQ(launched_rank(), 3);
  Launchers srun({{"PMIX_SERVER_URI4", "1.0;tcp4://127.0.0.1:1"}, {"PMIX_RANK", "1"}, {"SLURM_STEP_NUM_TASKS", "2"}});
  EXPECT_TRUE(under_mpi_launcher());
  EXPECT_EQ(launched_rank(), 1);
}

TEST(MpiLauncher, AShellInsideAnAllocationIsNoRank) {
  const std::map<std::string, std::string> shells[] = {
      {},
      {{"PMI_RANK", "1"}},
      {{"PMI_RANK", "1"}, {"PMI_SIZE", "2"}},
      {{"SLURM_JOB_ID", "7"}, {"SLURM_NTASKS", "2"}, {"SLURM_PROCID", "1"}},
      {{"PMIX_SERVER_URI4", "1.0;tcp4://127.0.0.1:1"}, {"PMIX_RANK", "0"}, {"SLURM_STEP_NUM_TASKS", "1"}},
      {{"OMPI_COMM_WORLD_SIZE", "1"}, {"OMPI_COMM_WORLD_RANK", "0"}, {"PMIX_SERVER_URI4", "x"}, {"PMIX_RANK", "0"}},
  };
  for (const auto& shell : shells) {
    Launchers set(shell);
    EXPECT_FALSE(under_mpi_launcher());
    EXPECT_EQ(launched_rank(), 0);
  }
}

}  // namespace
}  // namespace weft
