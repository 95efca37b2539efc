#include "launcher/supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "kernels/core/check.h"
#include "launcher/job_end.h"
#include "launcher/job_environment.h"
#include "launcher/line_pipe.h"

namespace weft {
namespace {

constexpr int terminate_timeout_ms = 1000, last_words_ms = 1000;

class ProcessGroup final : public WorkerJob {
 public:
  ProcessGroup(std::string name, pid_t pid, std::unique_ptr<LinePipe> output)
      : name_(std::move(name)),
        pid_(pid),
        output_(std::move(output)),
        ended_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))) {}

  // mpirun takes its ranks down on SIGTERM, stopped ones too; they are in process groups of their own. A rank that outlives
  // mpirun all the same gets a signal from the kernel, see run_worker(). A stopped mpirun takes no SIGTERM until it goes on.
  ~ProcessGroup() override {
    ::kill(-pid_, SIGTERM);
    ::kill(-pid_, SIGCONT);
    pollfd ended{ended_.get(), POLLIN, 0};
    if (::poll(&ended, 1, terminate_timeout_ms) == 0) ::kill(-pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

  int ended_fd() const override { return ended_.get(); }

  std::string why_it_ended() override {
    pollfd ended{ended_.get(), POLLIN, 0};
    siginfo_t end{};  // WNOWAIT: the process keeps its id for the destructor's kill()
    if (::poll(&ended, 1, last_words_ms) == 0 || ::waitid(P_PID, static_cast<id_t>(pid_), &end, WEXITED | WNOWAIT) != 0)
      return cat("rank 0 closed its connection, but ", name_, " did not end");
    const int status = end.si_code == CLD_EXITED ? W_EXITCODE(end.si_status, 0) : W_EXITCODE(0, end.si_status);
    return explain_job_end(name_, output_->kept(last_words_ms), status);
  }

 private:
  const std::string name_;
  const pid_t pid_;
  const std::unique_ptr<LinePipe> output_;
  const FileDescriptor ended_;
};

// As exec wants them: to the same bytes, with a null behind.
std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> all;
  for (const std::string& word : words) all.push_back(const_cast<char*>(word.c_str()));
  all.push_back(nullptr);
  return all;
}

}  // namespace

std::unique_ptr<WorkerJob> start_worker_job(const std::vector<std::string>& command, const Invitation& invitation) {
  const bool mpirun = std::filesystem::path(command[0]).filename() == "mpirun";
  const std::vector<std::string> environment = job_environment(invitation, mpirun);
  const std::vector<char*> argv = pointers(command), env = pointers(environment);

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  auto output = std::make_unique<LinePipe>();
  posix_spawn_file_actions_adddup2(&files, output->writer(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&files, output->writer(), STDERR_FILENO);
  posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
  posix_spawnattr_t attributes;  // the server blocks the signals it waits for: the job must not inherit that
  posix_spawnattr_init(&attributes);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

  pid_t pid = 0;
  const int error = ::posix_spawn(&pid, argv[0], &files, &attributes, argv.data(), env.data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  if (error != 0) bad_input("cannot start ", command[0], ": ", std::strerror(error));
  output->close_writer();
  return std::make_unique<ProcessGroup>(mpirun ? "mpirun" : "the worker", pid, std::move(output));
}

}  // namespace weft
