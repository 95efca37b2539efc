#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <atomic>
#include <cstdlib>
#include <thread>

#include "kernels/core/check.h"
#include "kernels/core/thread_pool.h"
#include "launcher/job.h"
#include "launcher/serve_commands.h"
#include "parallel/communicator.h"
#include "parallel/job_listener.h"
#include "runtime/serve/conversions.h"
#include "runtime/serve/engine_loop.h"
#include "runtime/serve/frame_socket.h"

namespace weft {
namespace {

using v1::worker::FromWorker;
using v1::worker::ToWorker;

std::unique_ptr<FrameSocket> connect_to_coordinator() {
  const char* address = std::getenv("WEFT_COORDINATOR");
  const char* token = std::getenv("WEFT_TOKEN");
  if (!token || !address) bad_input("weft worker is started by weft serve, which sets WEFT_COORDINATOR and WEFT_TOKEN");
  try {
    return std::make_unique<FrameSocket>(enter({address, token, ""}, 0, Purpose::commands));
  } catch (const CommError& e) {
    bad_input("no way to the coordinator: ", e.what(),
              "; its host must be open to the other hosts, and know this one: --worker-networks");
  }
}

// Passes the coordinator's commands on to the engine's thread. A coordinator that is gone without a word ends
// the job, which may be in the middle of anything.
class CommandReader {
 public:
  CommandReader(FrameSocket& socket, CommandQueue& commands) : socket_(socket), commands_(commands) {}
  ~CommandReader() {
    leaving_ = true;
    ::shutdown(socket_.fd(), SHUT_RD);
    thread_.join();
  }

 private:
  void read() {
    ToWorker frame;
    while (socket_.receive(frame)) {
      switch (frame.kind_case()) {
        case ToWorker::kSubmit: commands_.push(from_proto(frame.submit())); break;
        case ToWorker::kCancel: commands_.push(RequestId{frame.cancel().id()}); break;
        case ToWorker::kDrain: commands_.close(); return;
        default: abort_job(1);
      }
    }
    if (!leaving_) abort_job(1);
  }

  FrameSocket& socket_;
  CommandQueue& commands_;
  std::atomic<bool> leaving_ = false;
  std::thread thread_{[this] { read(); }};  // last: it uses the others
};

void send_fatal(FrameSocket& socket, const std::string& sentence) {
  FromWorker frame;
  frame.mutable_fatal()->set_sentence(sentence);
  socket.send(frame);
}

void send_lost(FrameSocket& socket, const LostRank& lost) {
  FromWorker frame;
  frame.mutable_rank_lost()->set_rank(lost.rank);
  frame.mutable_rank_lost()->set_silent(lost.silent);
  frame.mutable_rank_lost()->set_sentence(lost.sentence);
  socket.send(frame);
}

// The coordinator tells the user why; an exit code would only make mpirun add its own words.
int run_rank_0(const WorkerOptions& options, RankComm comm) {
  const std::unique_ptr<FrameSocket> connection = connect_to_coordinator();
  FrameSocket& socket = *connection;
  break_when_silent(socket.fd(), options.step_timeout_s);
  CommandQueue commands;
  CommandReader reader(socket, commands);
  std::atomic<bool> stepping = false;
  comm.watch->tell({.lost = [&](const LostRank& lost) { send_lost(socket, lost); },
                    .beat =
                        [&](uint64_t progress) {
                          FromWorker frame;
                          frame.mutable_beat()->set_stepping(stepping);
                          frame.mutable_beat()->set_progress(progress);
                          socket.send(frame);
                        }});
  try {
    const std::unique_ptr<Engine> engine = create_engine(options.common, std::move(comm));
    const Traits traits = server_traits(options.common.model);
    const auto send = [&](const EngineEvent& event) {
      FromWorker frame = to_frame(event);
      if (frame.has_hello()) *frame.mutable_hello()->mutable_traits() = to_proto(traits);
      socket.send(frame);
    };
    run_engine(*engine, commands, send, stepping);
    engine->stop_ranks();
    return 0;
  } catch (const InputError& e) {
    send_fatal(socket, e.what());
    return 0;
  } catch (const std::exception& e) {
    send_fatal(socket, e.what());
    abort_job(1);
  }
}

int run_other_rank(const WorkerOptions& options, RankComm comm) {
  try {
    create_engine(options.common, std::move(comm))->serve_steps();
    return 0;
  } catch (const InputError&) {  // agreed on by all ranks: rank 0 tells it
    let_rank_0_speak_first();
    return 0;
  } catch (const std::exception&) {
    let_rank_0_speak_first();
    abort_job(1);
  }
}

}  // namespace

int run_worker(const WorkerOptions& options) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // no rank outlives its mpirun or server
  RankComm comm;
  try {
    comm = join_job(options.step_timeout_s);
  } catch (const std::exception& e) {
    if (launched_rank() != 0) throw;
    send_fatal(*connect_to_coordinator(), e.what());
    abort_job(1);
  }
  return comm.host->rank() == 0 ? run_rank_0(options, std::move(comm))
                                : run_other_rank(options, std::move(comm));
}

}  // namespace weft
