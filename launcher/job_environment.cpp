#include "launcher/job_environment.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <span>
#include <sstream>

#include "kernels/core/check.h"
#include "kernels/core/log.h"

extern char** environ;

namespace weft {
namespace {

constexpr const char* kUsualPath = "/usr/local/bin:/usr/bin:/bin";
constexpr uint64_t kSessionBytes = 16 << 20;  // Open MPI 4.1 fills 8 MiB

// Open MPI's mpirun, PMIx and PMI; Slurm, PBS, LSF and Grid Engine, whose allocation mpirun would take for its hosts.
constexpr const char* kForeign[] = {"OMPI_", "PMIX_", "PMI_", "PRTE_", "SLURM_", "PBS_", "LSB_", "PE_HOSTFILE="};
// What the user sets for mpirun by hand begins with these; inside a job of mpirun's they are mpirun's own.
constexpr const char* kSettings[] = {"OMPI_MCA_", "OMPI_ALLOW_RUN_AS_ROOT", "PMIX_MCA_", "PRTE_MCA_"};

bool starts_with_one_of(const std::string& variable, std::span<const char* const> prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(), [&](const char* prefix) { return variable.starts_with(prefix); });
}

const char* variable_or(const char* name, const char* fallback) {
  const char* value = std::getenv(name);
  return value && *value ? value : fallback;
}

// Why a directory cannot hold session files; empty if it can.
std::string unfit(const std::string& directory) {
  if (::access(directory.c_str(), W_OK | X_OK) != 0) return std::strerror(errno);
  struct statvfs fs;
  if (::statvfs(directory.c_str(), &fs) != 0) return std::strerror(errno);
  const uint64_t free = uint64_t{fs.f_bavail} * fs.f_frsize;
  if (free < kSessionBytes) return cat("only ", free >> 20, " MiB are free");
  if (fs.f_files > 0 && fs.f_favail < 64) return "no inodes are free";  // 64: what a job makes
  return "";
}

// Where mpirun shall put its session files; empty if the place it would take by itself is fit.
std::string other_session_directory() {
  const std::string usual = variable_or("TMPDIR", variable_or("TEMP", variable_or("TMP", "/tmp")));
  const std::string reason = unfit(usual);
  if (reason.empty()) return "";
  for (const std::string directory :
       {"/tmp", "/var/tmp", "/dev/shm", variable_or("XDG_RUNTIME_DIR", ""), variable_or("HOME", "")}) {
    if (directory.empty() || !unfit(directory).empty()) continue;
    log_warn("mpirun's session files go to ", directory, ", because of ", usual, ": ", reason);
    return directory;
  }
  bad_input("mpirun finds no room for its session files in ", usual, " (", reason,
            "), nor in /var/tmp, /dev/shm or HOME; set TMPDIR to a directory with ", kSessionBytes >> 20, " MiB of room");
}

}  // namespace

std::string find_program(const std::string& name) {
  std::istringstream path(variable_or("PATH", kUsualPath));
  for (std::string directory; std::getline(path, directory, ':');) {
    const std::string file = cat(directory.empty() ? "." : directory, '/', name);
    if (::access(file.c_str(), X_OK) == 0 && !std::filesystem::is_directory(file)) return file;
  }
  return "";
}

std::vector<std::string> job_environment(const Invitation& invitation, bool mpirun) {
  const bool inside_job = std::getenv("OMPI_COMM_WORLD_SIZE") != nullptr;
  std::vector<std::string> variables;
  const std::string directory = mpirun ? other_session_directory() : "";
  for (char** variable = environ; *variable; ++variable) {
    const std::string v = *variable;
    const bool foreign = starts_with_one_of(v, kForeign) && (inside_job || !starts_with_one_of(v, kSettings));
    const bool set_below = starts_with_one_of(v, std::to_array({"PATH=", "WEFT_COORDINATOR=", "WEFT_TOKEN="})) ||
                           (!directory.empty() && v.starts_with("TMPDIR="));
    if (!foreign && !set_below) variables.push_back(v);
  }
  variables.push_back(cat("PATH=", variable_or("PATH", kUsualPath)));
  if (!directory.empty()) variables.push_back("TMPDIR=" + directory);
  variables.push_back("WEFT_COORDINATOR=" + invitation.address);
  variables.push_back("WEFT_TOKEN=" + invitation.token);
  return variables;
}

}  // namespace weft
