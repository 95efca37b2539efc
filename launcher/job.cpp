#include "launcher/job.h"

#include <cstdlib>
#include <thread>

#include "kernels/core/log.h"
#include "launcher/version.h"
#include "runtime/engine/agree.h"
#include "runtime/weights/file_traits.h"

namespace weft {
namespace {

Traits::value_type version_trait() { return {"the version of Weft", version()}; }

// Ranks wait for each other inside collectives: one that leaves must take the others with it.
[[noreturn]] void end_job(const std::exception& error) {
  log_failure(error.what());
  abort_job(1);
}

// mpirun ends the job because of that. Rank 0 speaks, or the others when it is rank 0 that was lost.
[[noreturn]] void leave_lost_job(const LostRank& lost) {
  if (!speaks_for_job()) let_rank_0_speak_first();
  log_failure(lost.sentence);
  finish_log();
  std::_Exit(1);
}

}  // namespace

RankComm join_job(double step_timeout_s) {
  return under_mpi_launcher() ? mpi_rank(silence_within(step_timeout_s), leave_lost_job) : single_rank();
}

std::unique_ptr<Engine> create_engine(const CommonOptions& options, RankComm comm, const Engine::Prepare& prepare) {
  require_equal(*comm.host, {version_trait()});
  return Engine::create(options.model, options.engine, std::move(comm), prepare);
}

Traits server_traits(const std::string& model) {
  Traits traits = text_traits(model);
  traits.insert(traits.begin(), version_trait());
  return traits;
}

int run_job(const CommonOptions& options, const Engine::Prepare& prepare, const std::function<void(Engine&)>& fn) {
  std::unique_ptr<Engine> engine = create_engine(options, join_job(), prepare);
  const Mesh mesh = engine->info().mesh;
  try {
    if (!mesh.leads()) {
      engine->serve_steps();
      return 0;
    }
    fn(*engine);
    engine->stop_ranks();
    return 0;
  } catch (const InputError& error) {
    if (!mesh.leads()) end_job(error);
    engine.reset();  // rank 0's own error: the others are released; a communicator that dies by an exception would end them
    throw;
  } catch (const WorkError&) {
    engine.reset();
    throw;
  } catch (const std::exception& error) {
    if (mesh.world > 1) end_job(error);
    throw;
  }
}

bool speaks_for_job() { return launched_rank() == 0; }

void let_rank_0_speak_first() { std::this_thread::sleep_for(std::chrono::seconds(1)); }

}  // namespace weft
