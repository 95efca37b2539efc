#pragma once
// The link to an engine in a worker job: processes that may die at any time. The job is started by next(),
// connects back over TCP and proves with a random token that it is ours; when it dies another one is started,
// a bounded number of times.
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "runtime/serve/engine_link.h"
#include "runtime/serve/frame_socket.h"

namespace weft {

// A running job. The destructor ends it and waits for its end.
class WorkerJob {
 public:
  virtual ~WorkerJob() = default;
  virtual int ended_fd() const = 0;  // readable once the job has ended
  // The end in one sentence: which rank on which host, signal or exit code, or what kept the job from starting, and what to
  // do about it. Waits for the end and the launcher's last words, but no longer than a second. Ask before ending the job:
  // afterwards the cause is that we ended it.
  virtual std::string why_it_ended() = 0;
};

// What a job needs to reach the coordinator: the environment variables of these names.
struct WorkerInvitation {
  std::string address;  // WEFT_COORDINATOR, host:port
  std::string token;    // WEFT_TOKEN
};

struct RestartPolicy {
  int max_restarts = 5;        // in a row; a job that served for `stable_s` makes it a new row
  double first_delay_s = 0.1;  // doubles each time, up to 5 s
  double stable_s = 60;
};

class RemoteLink final : public EngineLink {
 public:
  using StartJob = std::function<std::unique_ptr<WorkerJob>(const WorkerInvitation&)>;

  // listen: "127.0.0.1", or "0.0.0.0" for workers on other hosts, which then reach this one as `reach`. The
  // first job is started here.
  RemoteLink(const std::string& listen, const std::string& reach, StartJob start, const RestartPolicy& policy = {});
  ~RemoteLink() override;

  void submit(const Request& request) override;
  void cancel(RequestId id) override;
  // A job that ends before any was ready ends the link, with the sentence it sent.
  EngineEvent next() override;
  void close() override;

 private:
  enum class Wake { input, job_ended, closed };
  Wake wait(int fd, int timeout_ms);
  std::unique_ptr<FrameSocket> accept_worker();
  bool connect();
  EngineEvent read();
  EngineEvent lost(const std::string& sentence);
  EngineEvent end_job();
  bool pause_before_restart();
  void set_socket(std::unique_ptr<FrameSocket> socket);

  const StartJob start_;
  const RestartPolicy policy_;
  uint16_t port_ = 0;
  FileDescriptor listener_, closed_;  // closed_: an eventfd, readable after close()
  WorkerInvitation invitation_;
  std::unique_ptr<WorkerJob> job_;
  bool was_ready_ = false;
  int restarts_ = 0;        // in a row
  double ready_since_ = 0;  // seconds of a steady clock
  std::mutex mutex_;        // guards the pointer socket_, which other threads send through
  std::shared_ptr<FrameSocket> socket_;
};

}  // namespace weft
