#include "launcher/supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
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
  ProcessGroup(std::string name, pid_t pid, std::unique_ptr<LinePipe> output, std::function<void(const std::string&)> silent)
      : name_(std::move(name)),
        pid_(pid),
        output_(std::move(output)),
        silent_(std::move(silent)),
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

  void rank_is_silent(int rank) override {
    if (const std::string host = host_of_rank(output_->kept(0), rank); !host.empty()) silent_(host);
  }

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
  const std::function<void(const std::string&)> silent_;
  const FileDescriptor ended_;
};

// As exec wants them: to the same bytes, with a null behind.
std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> all;
  for (const std::string& word : words) all.push_back(const_cast<char*>(word.c_str()));
  all.push_back(nullptr);
  return all;
}

// fork() and exec(), because only the child can ask for a signal at its parent's death: of a server that was killed stopped ranks
// know nothing, and mpirun neither. (The parent is the calling thread; those that start jobs live as long as the link to them.)
pid_t spawn(char* const* argv, char* const* env, int output) {
  const pid_t parent = ::getpid(), pid = ::_Fork();
  if (pid > 0) ::setpgid(pid, 0);  // here too: the destructor may be faster than the child
  if (pid != 0) return pid;
  // The server has threads: from here on only what is safe in a signal handler.
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(1);
  ::setpgid(0, 0);
  ::signal(SIGPIPE, SIG_DFL);
  sigset_t none;  // the server blocks the signals it waits for
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::dup2(::open("/dev/null", O_RDONLY), STDIN_FILENO);
  ::dup2(output, STDOUT_FILENO);
  ::dup2(output, STDERR_FILENO);
  ::closefrom(STDERR_FILENO + 1);
  ::execve(argv[0], argv, env);
  const char* reason = ::strerrordesc_np(errno);
  [[maybe_unused]] const ssize_t n = ::write(STDERR_FILENO, reason, std::strlen(reason));
  ::_exit(127);
}

}  // namespace

std::unique_ptr<WorkerJob> start_worker_job(const std::vector<std::string>& command, const Invitation& invitation,
                                            std::function<void(const std::string& host)> silent) {
  const bool mpirun = std::filesystem::path(command[0]).filename() == "mpirun";
  const std::vector<std::string> environment = job_environment(invitation, mpirun);
  const std::vector<char*> argv = pointers(command), env = pointers(environment);

  auto output = std::make_unique<LinePipe>();
  const pid_t pid = spawn(argv.data(), env.data(), output->writer());
  if (pid < 0) bad_input("cannot start ", command[0], ": ", std::strerror(errno));
  output->close_writer();
  return std::make_unique<ProcessGroup>(mpirun ? "mpirun" : "the worker", pid, std::move(output), std::move(silent));
}

}  // namespace weft
