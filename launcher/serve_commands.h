#pragma once
// The commands around the server. Each returns the process's exit code; bad input is thrown as InputError.
#include <optional>
#include <string>
#include <vector>

#include "launcher/commands.h"

namespace weft {

// `weft serve` is the coordinator and starts its ranks itself; under mpirun rank 0 is coordinator and engine
// in one.
struct ServeOptions {
  CommonOptions common;
  std::string listen = "127.0.0.1:50051";  // port 0: a free one
  int ranks = 1;                           // 1: no MPI. Not under mpirun
  std::string hostfile;                    // as mpirun's; empty: all ranks on this machine
  std::vector<std::string> worker_networks;  // from which ranks may come, beside the hostfile's addresses
  std::string mpirun_args;                 // more arguments of mpirun, separated by spaces
  int max_requests = 512;                  // unfinished at a time
  int max_connections = 1024;              // open at a time
  double drain_timeout_s = 30;             // how long SIGTERM waits for running requests
  double step_timeout_s = kStepTimeout;    // a job that makes no progress for so long is started again
  double restart_timeout_s = 600;          // how long jobs that fail in a row are started again
  std::string log_level = "info";          // handed on to the ranks
};
int run_serve(const ServeOptions& options);

// One rank of a worker job; started by serve, which tells it by WEFT_COORDINATOR and WEFT_TOKEN in the
// environment where to connect.
struct WorkerOptions {
  CommonOptions common;
  double step_timeout_s = kStepTimeout;  // of its server
};
int run_worker(const WorkerOptions& options);

// Exactly one of prompt, chat_file and batch.
struct ClientOptions {
  std::string target = "127.0.0.1:50051";
  std::optional<std::string> prompt;
  std::optional<std::string> chat_file;  // JSON of a chat (chat_file.h)
  std::optional<std::string> batch;  // JSON lines: {"prompt": text | "token_ids": [...] | "messages": [...], "max_tokens": ...}
  bool chat = false;                 // prompts are user messages, put into the model's chat template
  int max_tokens = 256;
  SamplingParams sampling;
  std::optional<uint64_t> seed;  // none: the server draws one for each request
  std::vector<std::string> stop;
  bool ignore_eos = false;
  std::string cache_salt;  // requests of different salts share no cached prefix
  bool json = false;     // one JSON object instead of the text
  double wait_s = 0;     // for the server to be ready
  double timeout_s = 0;  // deadline of the call; 0: none
};
int run_client(const ClientOptions& options);

struct StatsOptions {
  std::string target = "127.0.0.1:50051";
  bool json = false;   // one object a line
  double watch_s = 0;  // ask again after so long, until interrupted; 0: once
};
int run_stats(const StatsOptions& options);

}  // namespace weft
