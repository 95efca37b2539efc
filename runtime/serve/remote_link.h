#pragma once
// The link to an engine in a worker job: processes that may die or stop at any time. The job is started by next(),
// connects back over TCP and proves with a random token that it is ours; when it is lost another one is started. One
// loop around poll() does all reading and writing: submit() and cancel() never wait for the job.
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "parallel/job_listener.h"
#include "runtime/serve/engine_link.h"
#include "runtime/serve/frame_socket.h"
#include "runtime/weights/traits.h"

namespace weft {

namespace v1::worker {
class FromWorker;
class Hello;
class ToWorker;
}  // namespace v1::worker

// A running job. The destructor ends it, whatever state it is in, and waits for its end.
class WorkerJob {
 public:
  virtual ~WorkerJob() = default;
  virtual int ended_fd() const = 0;  // readable once the job has ended
  // The end in one sentence: which rank on which host, signal or exit code, or what kept the job from starting, and what to
  // do about it. Waits for the end and the launcher's last words, but no longer than a second. Ask before ending the job:
  // afterwards the cause is that we ended it.
  virtual std::string why_it_ended() = 0;
  // A rank has fallen silent: the next job had better do without its host.
  virtual void rank_is_silent(int) {}
};

struct LinkPolicy {
  // Within this time it is noticed that rank 0 is silent; a step in which no rank computes anything for so long has stopped.
  double step_timeout_s = 10;
  double start_timeout_s = 60;  // until rank 0 comes; the model is loaded later
  // Jobs that fail in a row, without a token in between, are started again for so long; a job that stayed up for
  // `stable_s` begins a new row.
  double restart_for_s = 600;
  double stable_s = 60;
  double first_delay_s = 0.1, longest_delay_s = 10;  // before a restart; doubles each time
};

class RemoteLink final : public EngineLink {
 public:
  using StartJob = std::function<std::unique_ptr<WorkerJob>(const Invitation&)>;

  // The first job is started here, with what it needs to reach `listener`. A rank 0 that tells of itself other traits than `ours`
  // is refused: the job is lost.
  RemoteLink(JobListener listener, StartJob start, const LinkPolicy& policy = {}, Traits ours = {});
  ~RemoteLink() override;

  void submit(const Request& request) override;
  void cancel(RequestId id) override;
  // A job that ends before any was ready ends the link, with the sentence it sent.
  EngineEvent next() override;
  void close() override;

 private:
  bool start_again();
  bool connect();
  bool job_has_ended(int wait_ms) const;
  std::string why_not_there();
  void hear_wakes() const;
  void welcome(Guest rank_0);
  EngineEvent follow();
  std::optional<EngineEvent> event_of(const v1::worker::FromWorker& frame);
  EngineEvent lost_rank(int rank, bool silent, const std::string& sentence);
  EngineEvent hello(const v1::worker::Hello& hello);
  EngineEvent lost(const std::string& sentence);
  EngineEvent end_job();
  void send(const v1::worker::ToWorker& frame);
  void wake() const;

  const StartJob start_;
  const LinkPolicy policy_;
  const Traits ours_;
  JobListener listener_;  // of the thread that calls next()
  FileDescriptor wake_;   // an eventfd, for next() to look at closing_ and queued_
  std::atomic<bool> closing_ = false;

  // Of the thread that calls next(); times are seconds of a steady clock.
  std::unique_ptr<WorkerJob> job_, ending_;  // ending_: lost, to be ended before the next is started
  std::unique_ptr<FrameEnd> peer_;           // rank 0 of job_
  std::string host_;                         // where that is
  bool was_ready_ = false;                   // some job
  bool has_served_ = false;                  // this job: it gave a token
  double ready_since_ = 0;                   // this job; 0: it is not ready
  double heard_ = 0;                         // when it last spoke
  StepClock clock_;                          // of this job
  int failures_ = 0;                         // in a row
  double row_began_ = 0;

  std::mutex mutex_;
  bool connected_ = false;  // guarded by mutex_, as is
  std::string queued_;      // frames for the job
};

}  // namespace weft
