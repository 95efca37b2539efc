// Whether this process is one of several ranks that a launcher started, read from what the launcher left in the environment.
#include <cstdlib>
#include <cstring>

#include "parallel/communicator.h"

extern char** environ;

namespace weft {
namespace {

int number(const char* name, int absent) {
  const char* value = std::getenv(name);
  return value ? std::atoi(value) : absent;
}

bool any_begins_with(const char* prefix) {
  for (char** variable = environ; *variable; ++variable)
    if (std::strncmp(*variable, prefix, std::strlen(prefix)) == 0) return true;
  return false;
}

}  // namespace

// A shell inside an allocation (SLURM_NTASKS, PMI_RANK ...) is no rank, nor is a job of one process: both are run alone, and
// may start jobs of their own. srun's ranks find each other by a PMIx server, whose address they are given.
bool under_mpi_launcher() {
  if (const int ranks = number("OMPI_COMM_WORLD_SIZE", 0)) return ranks > 1;
  return any_begins_with("PMIX_SERVER_URI") && std::getenv("PMIX_RANK") && number("SLURM_STEP_NUM_TASKS", 2) > 1;
}

int launched_rank() { return under_mpi_launcher() ? number("OMPI_COMM_WORLD_RANK", number("PMIX_RANK", 0)) : 0; }

}  // namespace weft
