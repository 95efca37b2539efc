#pragma once
// The command line that starts the ranks of a server.
#include <string>
#include <vector>

#include "launcher/serve_commands.h"

namespace weft {

// mpirun with its arguments and the worker behind them; for one rank on this machine the worker alone. InputError for what mpirun would fail over: no mpirun, a hostfile that
// is missing, empty or too small, ranks on other hosts without ssh.
std::vector<std::string> worker_command(const ServeOptions& options);

}  // namespace weft
