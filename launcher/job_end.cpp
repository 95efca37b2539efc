#include "launcher/job_end.h"

#include <sys/wait.h>

#include <cstdlib>
#include <cstring>
#include <regex>
#include <sstream>

#include "kernels/core/check.h"

namespace weft {
namespace {

constexpr const char* kKilled = " (a SIGKILL that nobody sent is the kernel's, which ran out of memory: see dmesg)";

// What mpirun (Open MPI 4 and 5) and ssh write, and what it means. The first entry that is found counts: causes stand before
// their consequences. $1, $2 ... are what the pattern's groups matched; \s+ stands where lines may be broken.
struct Meaning {
  const char* pattern;
  const char* sentence;
};
constexpr Meaning kMeanings[] = {
    {"ssh: Could not resolve hostname ([^\\s:]+)",
     "the host name $1 does not resolve on this machine; put its address into the hostfile, or the name into /etc/hosts"},
    {"ssh: connect to host (\\S+) port (\\d+): ([^\\r\\n]+)",
     "host $1 does not answer ssh on port $2 ($3); mpirun starts the ranks of other hosts by ssh"},
    {"(\\S+): Permission denied \\(",
     "ssh to $1 asks for a password; let it log in by key (ssh $1 true must work by itself)"},
    {"Host key verification failed",
     "ssh does not know the key of a host of the hostfile; log in by hand once (ssh HOST true)"},
    {"No user exists for uid (\\d+)",
     "ssh does not start, because user id $1 has no name; add it to /etc/passwd, or serve on this machine alone"},
    {"orted: (?:command )?not found|orted: No such file",
     "a host of the hostfile does not have Open MPI in its PATH; install it there at the same path"},
    {"The value of the MCA parameter \"plm_rsh_agent\"",
     "the ranks of other hosts are started by ssh, which was not found in PATH; install it (openssh-client)"},
    {"unable to open the hostfile:\\s+(\\S+)", "mpirun cannot open the hostfile $1"},
    {"not enough slots available in the system to satisfy the (\\d+)",
     "the hosts have fewer slots than the $1 ranks asked for; write slots=N behind each host, or lower --ranks"},
    {"No nodes are available for this job|All nodes which are allocated for this job are already filled",
     "mpirun found no host for the ranks; name them in the hostfile, one a line: HOST slots=N"},
    {"unable to create the desired\\s+directory:\\s+Directory: (\\S+)\\s+Error:\\s+([^\\r\\n]+)",
     "mpirun cannot create its session directory $1 ($2); set TMPDIR to a directory that can be written"},
    {"PMIX ERROR: OUT-OF-RESOURCE|No space left on device",
     "mpirun found no space for its session files; free some, or set TMPDIR to a directory with 32 MiB of room"},
    {"could not access\\s+or execute an executable:\\s+Executable: (\\S+)\\s+Node: (\\S+)",
     "host $2 has no program $1; weft must lie at the same path on every host"},
    {"[Ee]rror: unknown option \"([^\"]+)\"", "mpirun does not know the option $1 of --mpirun-args"},
    {"unrecognized argument|match_arg \\(|HYDU?_",
     "the mpirun in PATH is not Open MPI's; put Open MPI's in front of it in PATH"},
    {"unable to complete a TCP connection\\s+to another process:\\s+Local host:\\s+(\\S+)\\s+Remote host:\\s+(\\S+)",
     "no connection comes about from host $1 to host $2; the network between them is down, or a firewall closes their ports "
     "(--mpirun-args=\"--mca oob_tcp_if_include NETWORK/BITS\" chooses another)"},
    {"Remote daemon: \\S+ on node (\\S+)", "host $1 is gone: the connection of mpirun to it broke"},
    {"unable to reliably start one or more daemons",
     "mpirun could not start its daemon on a host of the hostfile; Open MPI must lie at the same path there, and the hosts "
     "must reach each other (--mpirun-args=\"--mca oob_tcp_if_include NETWORK/BITS\" chooses a network)"},
};

std::string killed_by(int signal) {
  return cat("was killed by signal ", signal, " (", ::strsignal(signal), ")", signal == SIGKILL ? kKilled : "");
}

std::string on_host(const std::string& output, const std::string& rank) {
  const std::string host = host_of_rank(output, std::stoi(rank));
  return host.empty() ? "" : " on host " + host;
}

std::string explain_rank_death(const std::string& output) {
  static const std::regex killed("process rank (\\d+) with PID \\d+ on node (\\S+) exited on\\s+signal (\\d+)");
  static const std::regex left("Process name: \\[\\[\\d+,\\d+\\],(\\d+)\\]\\s+Exit code:\\s+(\\d+)");
  static const std::regex aborted("MPI_ABORT was invoked on rank (\\d+)");
  std::smatch found;
  if (std::regex_search(output, found, killed))
    return cat("rank ", found.str(1), " on host ", found.str(2), ' ', killed_by(std::atoi(found.str(3).c_str())));
  if (std::regex_search(output, found, left))
    return cat("rank ", found.str(1), on_host(output, found[1]), " ended with exit code ", found.str(2));
  if (std::regex_search(output, found, aborted))
    return cat("rank ", found.str(1), on_host(output, found[1]), " met an error and ended the job");
  return "";
}

// The first line that is neither a rule nor part of the map, in brackets; or nothing.
std::string first_words(const std::string& output) {
  std::istringstream lines(output);
  for (std::string line; std::getline(lines, line);)
    if (!line.empty() && !std::strchr(" \t-", line[0])) return cat(" (", line, ")");
  return "";
}

}  // namespace

std::string host_of_rank(const std::string& output, int rank) {
  static const std::regex entry("Data for node: (\\S+)|Process rank: (\\d+)");
  std::string host;
  for (std::sregex_iterator at(output.begin(), output.end(), entry), end; at != end; ++at) {
    if ((*at)[1].matched)
      host = (*at)[1];
    else if (std::stoi((*at)[2]) == rank)
      return host;
  }
  return "";
}

std::string explain_job_end(const std::string& name, const std::string& output, int wait_status) {
  std::smatch found;
  for (const auto& [pattern, sentence] : kMeanings)
    if (std::regex_search(output, found, std::regex(pattern))) return found.format(sentence);
  if (const std::string death = explain_rank_death(output); !death.empty()) return death;
  return cat(
      name, ' ',
      WIFSIGNALED(wait_status) ? killed_by(WTERMSIG(wait_status)) : cat("ended with exit code ", WEXITSTATUS(wait_status)),
      first_words(output), "; --log-level debug shows all its words");
}

}  // namespace weft
