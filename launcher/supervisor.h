#pragma once
// Starts the ranks of a server as a job of their own: mpirun, or for one rank the worker itself.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/serve/remote_link.h"

namespace weft {

// Starts a job (worker_command.h) in a process group of its own, without stdin, so that a terminal's Ctrl-C reaches only the server. Of what it
// writes our own log lines go to stderr, the rest is kept (line_pipe.h). Throws InputError if it cannot be started.
// silent: is told the hosts of ranks that fell silent, by their names in the hostfile.
std::unique_ptr<WorkerJob> start_worker_job(const std::vector<std::string>& command, const Invitation& invitation,
                                            std::function<void(const std::string& host)> silent);

}  // namespace weft
