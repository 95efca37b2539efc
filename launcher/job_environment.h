#pragma once
// Where mpirun is started in: its variables, the programs it needs, a directory for its files.
#include <string>
#include <vector>

#include "runtime/serve/remote_link.h"

namespace weft {

// The full path of a program in PATH, or in the usual places where PATH is not set. Empty: there is none.
std::string find_program(const std::string& name);

// The variables of a job as NAME=VALUE: our own, the invitation, a PATH, and for mpirun TMPDIR where it would put its session
// files into a directory that is read-only or full. Without those of a launcher or a resource manager that we happen to run
// under: the job is not part of theirs. InputError if no directory is fit for session files.
std::vector<std::string> job_environment(const Invitation& invitation, bool mpirun);

}  // namespace weft
