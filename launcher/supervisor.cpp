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
#include <sstream>

#include "kernels/core/check.h"
#include "launcher/job_end.h"
#include "launcher/line_pipe.h"

extern char** environ;

namespace weft {
namespace {

constexpr int terminate_timeout_ms = 5000, last_words_ms = 1000;

class ProcessGroup final : public WorkerJob {
 public:
  ProcessGroup(std::string name, pid_t pid, std::unique_ptr<LinePipe> output)
      : name_(std::move(name)),
        pid_(pid),
        output_(std::move(output)),
        ended_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))) {}

  // mpirun takes its ranks down on SIGTERM; they are in process groups of their own. A rank that outlives
  // mpirun all the same gets a signal from the kernel, see run_worker().
  ~ProcessGroup() override {
    ::kill(-pid_, SIGTERM);
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

void append_engine_flags(std::vector<std::string>& command, const EngineConfig& c) {
  const auto flag = [&](const char* name, const auto& value) {
    command.push_back(name);
    command.push_back(cat(value));
  };
  const auto optional = [&](const char* name, const std::optional<int>& value) {
    if (value) flag(name, *value);
  };
  optional("--tp", c.mesh.tp);
  optional("--ep", c.mesh.ep);
  optional("--pp", c.mesh.pp);
  optional("--dp", c.mesh.dp);
  flag("--dtype", c.dtype);
  flag("--kv-dtype", c.kv_dtype);
  flag("--device", c.device);
  if (c.threads > 0) flag("--threads", c.threads);
  if (c.max_model_len > 0) flag("--max-model-len", c.max_model_len);
  flag("--max-seqs", c.max_seqs);
  flag("--max-batch-tokens", c.max_batch_tokens);
  if (c.kv_memory > 0) flag("--kv-memory", c.kv_memory);
  flag("--block-size", c.block_size);
}

}  // namespace

std::vector<std::string> worker_command(const ServeOptions& options) {
  std::vector<std::string> command;
  const auto add = [&](std::initializer_list<std::string> words) { command.insert(command.end(), words); };
  if (options.ranks > 1 || !options.hostfile.empty()) {
    add({"mpirun", "-n", std::to_string(options.ranks), "--bind-to", "none"});
    add({"-x", "WEFT_COORDINATOR", "-x", "WEFT_TOKEN"});
    add({"--display-map"});  // for explain_job_end()
    // When a rank has died the others need no second to say goodbye.
    add({"--mca", "odls_base_sigkill_timeout", "0"});
    if (::geteuid() == 0) add({"--allow-run-as-root"});
    // Without a hostfile mpirun would count cores, which are fewer than CPUs where cores have two threads.
    if (options.hostfile.empty())
      add({"--oversubscribe"});
    else
      add({"--hostfile", options.hostfile});
    std::istringstream words(options.mpirun_args);
    for (std::string word; words >> word;) add({word});
  }
  add({std::filesystem::read_symlink("/proc/self/exe").string(), "worker", "--model",
       std::filesystem::absolute(options.common.model).string()});
  append_engine_flags(command, options.common.engine);
  add({"--log-level", options.log_level});
  return command;
}

std::unique_ptr<WorkerJob> start_worker_job(const std::vector<std::string>& command, const WorkerInvitation& invitation) {
  std::vector<char*> argv, env;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const std::string address = "WEFT_COORDINATOR=" + invitation.address, token = "WEFT_TOKEN=" + invitation.token;
  for (char** e = environ; *e; ++e)
    if (std::strncmp(*e, "WEFT_COORDINATOR=", 17) != 0 && std::strncmp(*e, "WEFT_TOKEN=", 11) != 0) env.push_back(*e);
  env.insert(env.end(), {const_cast<char*>(address.c_str()), const_cast<char*>(token.c_str()), nullptr});

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
  const int error = ::posix_spawnp(&pid, argv[0], &files, &attributes, argv.data(), env.data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  if (error == ENOENT && command[0] == "mpirun")
    bad_input("mpirun was not found; install it (openmpi-bin) or serve with --ranks 1");
  if (error != 0) bad_input("cannot start ", command[0], ": ", std::strerror(error));
  output->close_writer();
  const bool ranks = command[0] == "mpirun";
  return std::make_unique<ProcessGroup>(ranks ? "mpirun" : "the worker", pid, std::move(output));
}

}  // namespace weft
