#pragma once
// Why a job ended, from what its launcher said: mpirun's many lines as one sentence of ours.
#include <string>

namespace weft {

// `name` is who ended: "mpirun", or "the worker" of a job without it; `output` all that mpirun and its ranks wrote, but for our
// own log lines; `wait_status` as waitpid() gives it.
// The sentence names the cause and what to do about it; of a rank that died, its number, its host where mpirun's
// job map (--display-map) tells it, and the signal or exit code.
std::string explain_job_end(const std::string& name, const std::string& output, int wait_status);

// Where mpirun's map of the job puts a rank: a name of the hostfile. Empty if there is no map.
std::string host_of_rank(const std::string& output, int rank);

}  // namespace weft
