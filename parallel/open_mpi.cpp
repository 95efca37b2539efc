#include "parallel/open_mpi.h"

#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "kernels/core/check.h"
#include "kernels/core/log.h"

namespace weft {
namespace {

// Its shared-memory transport is called vader; sm from version 5.
constexpr const char* kSingleCopy = "OMPI_MCA_btl_vader_single_copy_mechanism";
constexpr const char* kSegments = "OMPI_MCA_btl_vader_backing_directory";
constexpr uint64_t kSegmentBytes = 4 << 20;                                // of each rank
constexpr uint64_t kSessionBytes = 12 << 20, kFreeSessionBytes = 1 << 20;  // what Open MPI 4.1 fills; and room for more

const char* variable_or(const char* name, const char* fallback) {
  const char* value = std::getenv(name);
  return value ? value : fallback;
}

// 0: it cannot be written at all.
uint64_t free_bytes(const char* directory) {
  struct statvfs fs;
  if (::access(directory, W_OK | X_OK) != 0 || ::statvfs(directory, &fs) != 0) return 0;
  return uint64_t{fs.f_bavail} * fs.f_frsize;
}

// mpirun goes on when it cannot write its session files, and then every rank hangs or dies in MPI_Init.
void check_session_directory() {
  const char* directory = std::getenv("PMIX_SERVER_TMPDIR");
  struct statvfs fs;
  if (!directory || ::statvfs(directory, &fs) != 0) return;
  if (uint64_t{fs.f_blocks} * fs.f_frsize >= kSessionBytes && uint64_t{fs.f_bavail} * fs.f_frsize >= kFreeSessionBytes)
    return;
  bad_input("mpirun has no room for its session files in ", directory,
            "; free some, or set TMPDIR to a directory with 16 MiB of room");
}

// Open MPI copies large messages straight from one rank's memory into another's, by process_vm_readv. It does not notice
// where that is forbidden (seccomp of containers, kernel.yama.ptrace_scope = 2), writes an error for every message and copies
// them twice instead. So: may another process of this user read our memory?
bool single_copy_works() {
  ::prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);  // Open MPI does it too
  const char word = 'w';
  const pid_t child = ::fork();
  if (child < 0) return true;  // nothing is known: leave it to Open MPI
  if (child == 0) {
    char copy = 0;
    iovec local{&copy, 1}, remote{const_cast<char*>(&word), 1};
    ::_exit(::process_vm_readv(::getppid(), &local, 1, &remote, 1, 0) == 1 ? 0 : 1);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status == 0;
}

}  // namespace

void prepare_open_mpi() {
  // Up to this size a message is copied at once instead of announced first. The exchanges of a decode step have 2 to 20 KB:
  // measured 0.9 instead of 4.5 us for 2 x 4.6 KB.
  setenv("OMPI_MCA_btl_vader_eager_limit", "32768", 0);
  setenv("OMPI_MCA_btl_sm_eager_limit", "32768", 0);
  check_session_directory();
  choose_mpi_networks();
  if (!std::getenv(kSingleCopy) && !single_copy_works()) {
    setenv(kSingleCopy, "none", 1);
    setenv("OMPI_MCA_smsc", "^cma", 0);  // the same in version 5
    log_warn(
        "this system forbids process_vm_readv (seccomp or ptrace_scope): large messages between ranks are copied twice");
  }
  const uint64_t ranks = std::strtoull(variable_or("OMPI_COMM_WORLD_LOCAL_SIZE", "1"), nullptr, 10);
  const char* session = variable_or("PMIX_SERVER_TMPDIR", "/tmp");
  if (!std::getenv(kSegments) && free_bytes("/dev/shm") < (ranks + 1) * kSegmentBytes) {
    const bool room = free_bytes(session) >= (ranks + 1) * kSegmentBytes;
    if (room)
      setenv(kSegments, session, 1);
    else
      setenv("OMPI_MCA_btl", "^vader,sm", 0);
    log_warn("/dev/shm has no room for the messages of ", ranks, " ranks (", kSegmentBytes >> 20,
             " MiB each): they go through ", room ? session : "TCP, which is slower");
  }
}

}  // namespace weft
