#pragma once
// mpirun's hostfile, checked before mpirun sees it: Open MPI 4 crashes on some lines and hides others.
#include <istream>
#include <optional>
#include <string>
#include <vector>

namespace weft {

struct HostfileHost {
  std::string name;
  std::optional<int> slots;  // none: as many as the host has cores, which only mpirun learns
};

// Lines `HOST [slots=N] [max_slots=N] ...`, # begins a comment; a host named several times has the slots of all its lines, one
// for a line without. In order of appearance. `name` is for the sentences. InputError names the line that is no such line,
// or says that no host is named.
std::vector<HostfileHost> read_hostfile(std::istream& file, const std::string& name);

// The hosts of `path`. InputError if it cannot be read, or its hosts have fewer slots than `ranks` (0: any number is enough).
std::vector<HostfileHost> check_hostfile(const std::string& path, int ranks);

}  // namespace weft
