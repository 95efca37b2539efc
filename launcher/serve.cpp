#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "kernels/core/check.h"
#include "kernels/core/log.h"
#include "kernels/core/thread_pool.h"
#include "launcher/hostfile.h"
#include "launcher/job.h"
#include "launcher/open_tokenizer.h"
#include "launcher/serve_commands.h"
#include "launcher/spare_hosts.h"
#include "launcher/supervisor.h"
#include "launcher/version.h"
#include "launcher/worker_command.h"
#include "runtime/serve/coordinator.h"
#include "runtime/serve/engine_loop.h"
#include "runtime/serve/grpc_server.h"
#include "runtime/serve/remote_link.h"

namespace weft {
namespace {

constexpr double last_words_s = 2;  // for clients to read the end of their streams
// mpirun hands a signal on to all ranks, and kills them two seconds later (measured: Open MPI 4.1).
constexpr double drain_under_mpirun_s = 0.8;

// SIGINT and SIGTERM as a call of `first` on a thread of its own; a second one ends the process at once. Make
// it before any other thread, so that all of them leave the signals to it.
class StopSignals {
 public:
  StopSignals() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGINT);
    sigaddset(&set_, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
  }
  ~StopSignals() {
    if (!thread_.joinable()) return;
    over_ = true;
    pthread_kill(thread_.native_handle(), SIGTERM);
    thread_.join();
  }

  void watch(std::function<void(const char* signal)> first) {
    thread_ = std::thread([this, first = std::move(first)] {
      int signal = 0;
      sigwait(&set_, &signal);
      if (over_) return;
      first(signal == SIGINT ? "SIGINT" : "SIGTERM");
      sigwait(&set_, &signal);
      if (over_) return;
      log_warn("a second signal: the server ends at once, with exit code ", 128 + signal);
      finish_log();
      ::_exit(128 + signal);
    });
  }

 private:
  sigset_t set_;
  std::atomic<bool> over_ = false;
  std::thread thread_;
};

// A model without a tokenizer still serves token ids.
std::unique_ptr<Tokenizer> tokenizer_if_any(const std::string& model) {
  try {
    return open_tokenizer(model);
  } catch (const InputError& e) {
    log_warn("serving token ids only: ", e.what());
    return nullptr;
  }
}

std::string model_name(const std::string& path) {
  const std::filesystem::path absolute = std::filesystem::absolute(path).lexically_normal();
  return absolute.has_filename() ? absolute.filename().string() : absolute.parent_path().filename().string();
}

void announce(const ServeOptions& options, const EngineReady& engine, int port) {
  const std::string host = options.listen.substr(0, options.listen.rfind(':'));
  log_info("serving ", model_name(options.common.model), " on ", host, ":", port, " (", engine.mesh, ", ", engine.threads,
           " threads a rank, ", engine.dtype, ")");
}

// Serves until a signal or the engine's end. Returns the exit code.
int serve(EngineLink& link, const ServeOptions& options, StopSignals& signals) {
  const TextFront text(tokenizer_if_any(options.common.model));
  WorkPool pool(std::clamp(available_cpus() / 2, 3, 8));
  Coordinator coordinator(link, pool, {.max_requests = options.max_requests});
  GrpcServer server(options.listen, coordinator, text, pool, {model_name(options.common.model), version()},
                    {.max_connections = options.max_connections});
  std::string end;
  std::thread events([&] {
    bool announced = false;
    end = coordinator.run([&](bool healthy) {
      server.set_serving(healthy);
      if (healthy && !std::exchange(announced, true)) announce(options, *coordinator.model(), server.port());
    });
  });
  Stopwatch drain;
  signals.watch([&](const char* signal) {
    log_info("drain began: ", signal, ", ", coordinator.stats().unfinished, " requests open");
    drain = {};
    coordinator.begin_drain();
  });

  coordinator.wait_for_drain();
  server.stop_serving();
  const int64_t cut_off = coordinator.finish_drain(std::chrono::duration<double>(
      under_mpi_launcher() ? std::min(options.drain_timeout_s, drain_under_mpirun_s) : options.drain_timeout_s));
  server.stop(last_words_s);
  events.join();
  if (end.empty()) {
    log_info("drain ended after ", std::lround(drain.seconds() * 1000), " ms, ", cut_off, " requests cut off; exit code 0");
    return 0;
  }
  log_failure(end);
  if (!coordinator.model()) return 2;  // it never served: a bad model, or no ranks
  log_info("exit code 1");
  return 1;
}

std::vector<HostfileHost> hosts_of(const ServeOptions& options) {
  return options.hostfile.empty() ? std::vector<HostfileHost>() : check_hostfile(options.hostfile, 0);
}

// Where rank 0 comes to.
JobListener worker_port(const ServeOptions& options) {
  if (options.hostfile.empty()) return JobListener();
  Ipv4Networks theirs;
  for (const HostfileHost& host : hosts_of(options)) theirs.add_host(host.name.substr(host.name.find('@') + 1));
  for (const std::string& network : options.worker_networks)
    if (!theirs.add(network))
      bad_input("--worker-networks has ", network, "; it must be IPv4 addresses or networks, as 10.0.0.7 or 10.0.0.0/24");
  return JobListener(theirs, cat("of a host in --hostfile ", options.hostfile, "; --worker-networks adds more"));
}

int serve_with_workers(const ServeOptions& options) {
  if (!std::filesystem::exists(options.common.model)) bad_input("model ", options.common.model, " does not exist");
  StopSignals signals;
  const std::vector<std::string> command = worker_command(options);
  SpareHosts hosts(hosts_of(options), options.ranks);
  const auto silent = [&](const std::string& host) { hosts.leave_out(host); };
  RemoteLink link(
      worker_port(options),
      [&](const Invitation& invitation) { return start_worker_job(hosts.narrow(command), invitation, silent); },
      {.step_timeout_s = options.step_timeout_s, .restart_for_s = options.restart_timeout_s},
      server_traits(options.common.model));
  return serve(link, options, signals);
}

// One rank of a job that somebody else started. MPI wants its calls from this thread, so the server gets one
// of its own.
int serve_in_job(const ServeOptions& options) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // no rank outlives its mpirun
  StopSignals signals;
  RankComm comm = join_job(options.step_timeout_s);
  if (comm.host->rank() != 0) {
    create_engine(options.common, std::move(comm))->serve_steps();
    return 0;
  }
  LocalLink link;
  std::atomic<bool> lost = false;
  const auto lose = [&](const std::string& sentence) {
    lost = true;
    link.fail(sentence);
  };
  StepClock clock;
  comm.watch->tell({.lost = [&](const LostRank& rank) { lose(rank.sentence); },
                    .beat =
                        [&](uint64_t progress) {
                          clock.note(link.stepping(), progress);
                          if (now_s() > clock.moved() + options.step_timeout_s) lose(stood_still(options.step_timeout_s));
                        }});
  int code = 1;
  std::exception_ptr refused;  // a port in use, a bad model
  std::thread front([&] {
    try {
      code = serve(link, options, signals);
    } catch (...) {
      refused = std::current_exception();
      link.close();
    }
    if (!lost) return;
    finish_log();
    std::_Exit(code);  // the engine's thread may wait for that rank for ever; mpirun ends the others
  });
  try {
    const std::unique_ptr<Engine> engine = create_engine(options.common, std::move(comm));
    link.run(*engine);
    engine->stop_ranks();
  } catch (const std::exception& e) {
    link.fail(e.what());
  }
  front.join();
  if (refused) std::rethrow_exception(refused);
  return code;
}

}  // namespace

int run_serve(const ServeOptions& options) {
  ::setenv("GRPC_VERBOSITY", "NONE",
           0);  // gRPC writes to stderr by itself; what matters comes back as a status
  if (!under_mpi_launcher()) return serve_with_workers(options);
  if (options.ranks > 1) bad_input("--ranks is for starting ranks; under mpirun their number is mpirun's -n");
  return serve_in_job(options);
}

}  // namespace weft
