#pragma once
// What every command that runs a model shares: one engine over the ranks of this job.
#include <chrono>
#include <functional>
#include <stdexcept>

#include "launcher/commands.h"
#include "runtime/engine/engine.h"
#include "runtime/weights/traits.h"

namespace weft {

// The work failed and the ranks are well: they are released, and the command fails with this sentence.
class WorkError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// This process's rank of its job, the only way to it. A rank that dies or is silent for long ends the process with a sentence on
// stderr, unless the watch is told otherwise. step_timeout_s: within which that is noticed.
RankComm join_job(double step_timeout_s = kStepTimeout);

// Engine::create(), once all ranks are known to be of one version: ranks of others may differ in anything that follows.
std::unique_ptr<Engine> create_engine(const CommonOptions& options, RankComm comm, const Engine::Prepare& prepare = {});

// What a server and rank 0 of its job, which may be on another host, must have alike.
Traits server_traits(const std::string& model);

// Loads the model on all ranks of this job, runs fn on rank 0 while the others follow its steps, then
// releases them. An error that leaves ranks behind in a step ends the whole job. What can be wrong with the input is found
// by `prepare`, on rank 0 before weights are read.
int run_job(const CommonOptions& options, const Engine::Prepare& prepare, const std::function<void(Engine&)>& fn);

// False on ranks other than 0, which keep quiet about what rank 0 says too; from the launcher's environment, without MPI.
bool speaks_for_job();

// For ranks other than 0 that end because of what rank 0 met too, or because rank 0 is gone: mpirun ends the job as soon as one
// rank leaves without finalising MPI and tells of the first it saw, and that must be the cause.
void let_rank_0_speak_first();

// Seconds since it was made.
class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

}  // namespace weft
