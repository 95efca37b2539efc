#include "launcher/worker_command.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "kernels/core/check.h"
#include "launcher/hostfile.h"
#include "launcher/job_environment.h"

namespace weft {
namespace {

std::filesystem::path own_program() { return std::filesystem::read_symlink("/proc/self/exe"); }

// That of our own installation before any other: an archive brings the Open MPI it was built with.
std::string find_mpirun() {
  const std::string beside = (own_program().parent_path() / "mpirun").string();
  const std::string mpirun = ::access(beside.c_str(), X_OK) == 0 ? beside : find_program("mpirun");
  if (mpirun.empty()) bad_input("mpirun was not found in PATH; install it (openmpi-bin) or serve with --ranks 1");
  return mpirun;
}

// By its name alone: mpirun too takes hosts it cannot resolve for others.
bool is_this_machine(const std::string& host) {
  char name[256] = "";
  ::gethostname(name, sizeof name - 1);
  const auto first_label = [](const std::string& full) { return full.substr(0, full.find('.')); };
  return host == "localhost" || host == "127.0.0.1" || first_label(host) == first_label(name);
}

// mpirun starts other hosts' ranks by ssh. It must not wait for a password that nobody types, nor for minutes for a host that is
// off. Who sets mpirun's plm himself has another way.
std::vector<std::string> remote_shell(const ServeOptions& options, bool other_hosts) {
  if (options.mpirun_args.find("plm") != std::string::npos) return {};
  for (const char* variable : {"OMPI_MCA_plm", "OMPI_MCA_plm_rsh_agent", "OMPI_MCA_plm_rsh_args"})
    if (std::getenv(variable)) return {};
  if (!find_program("ssh").empty()) return {"--mca", "plm_rsh_args", "-o BatchMode=yes -o ConnectTimeout=4"};
  if (!find_program("rsh").empty()) return {};
  if (other_hosts)
    bad_input("--hostfile ", options.hostfile,
              " names other machines, whose ranks mpirun starts by ssh, which was not found in "
              "PATH; install it (openssh-client)");
  return {"--mca", "plm", "isolated"};  // Open MPI 4 does not start at all without an ssh
}

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
  if (c.expert_capacity > 0) flag("--expert-capacity", c.expert_capacity);
  if (c.kv_memory > 0) flag("--kv-memory", c.kv_memory);
  flag("--block-size", c.block_size);
}

}  // namespace

std::vector<std::string> worker_command(const ServeOptions& options) {
  std::vector<std::string> command;
  const auto add = [&](std::initializer_list<std::string> words) { command.insert(command.end(), words); };
  if (options.ranks > 1 || !options.hostfile.empty()) {
    bool other_hosts = false;
    if (!options.hostfile.empty()) {
      const bool any_number = options.mpirun_args.find("oversubscribe") != std::string::npos;
      const std::vector<HostfileHost> hosts = check_hostfile(options.hostfile, any_number ? 0 : options.ranks);
      other_hosts = !std::all_of(hosts.begin(), hosts.end(), [](const auto& host) { return is_this_machine(host.name); });
    }
    add({find_mpirun(), "-n", std::to_string(options.ranks), "--bind-to", "none"});
    add({"-x", "WEFT_COORDINATOR", "-x", "WEFT_TOKEN"});
    add({"--display-map"});  // for explain_job_end()
    // When a rank has died the others need no second to say goodbye.
    add({"--mca", "odls_base_sigkill_timeout", "0"});
    if (::geteuid() == 0) add({"--allow-run-as-root"});
    // Without a hostfile mpirun would count cores, which are fewer than CPUs where cores have two threads.
    if (options.hostfile.empty())
      add({"--oversubscribe"});
    else
      add({"--hostfile", options.hostfile, "--mca", "orte_keep_fqdn_hostnames", "1"});  // a.b.c, as it stands there
    const std::vector<std::string> shell = remote_shell(options, other_hosts);
    command.insert(command.end(), shell.begin(), shell.end());
    std::istringstream words(options.mpirun_args);
    for (std::string word; words >> word;) add({word});
  }
  add({own_program().string(), "worker", "--model", std::filesystem::absolute(options.common.model).string()});
  append_engine_flags(command, options.common.engine);
  add({"--step-timeout", cat(options.step_timeout_s), "--log-level", options.log_level});
  return command;
}

}  // namespace weft
