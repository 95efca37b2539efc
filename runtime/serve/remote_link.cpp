#include "runtime/serve/remote_link.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "kernels/core/check.h"
#include "parallel/network.h"
#include "parallel/poll_until.h"
#include "parallel/rank_watch.h"
#include "runtime/engine/agree.h"
#include "runtime/serve/conversions.h"

namespace weft {
namespace {

using v1::worker::FromWorker;
using v1::worker::ToWorker;

constexpr int last_words_ms = 90;  // a death is to be told within 100 ms
constexpr double drain_s = 10, silent_s = 2;

}  // namespace

RemoteLink::RemoteLink(JobListener listener, StartJob start, const LinkPolicy& policy, Traits ours)
    : start_(std::move(start)),
      policy_(policy),
      ours_(std::move(ours)),
      listener_(std::move(listener)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      job_(start_(listener_.invitation())) {}

RemoteLink::~RemoteLink() = default;

void RemoteLink::submit(const Request& request) {
  ToWorker frame;
  *frame.mutable_submit() = to_proto(request);
  send(frame);
}

void RemoteLink::cancel(RequestId id) {
  ToWorker frame;
  frame.mutable_cancel()->set_id(id);
  send(frame);
}

void RemoteLink::close() {
  closing_ = true;
  wake();
}

void RemoteLink::send(const ToWorker& frame) {
  {
    std::lock_guard lock(mutex_);
    if (!connected_) return;
    queued_ += frame_of(frame);
  }
  wake();
}

void RemoteLink::wake() const {
  const uint64_t one = 1;
  WEFT_CHECK(::write(wake_.get(), &one, sizeof one) == sizeof one, "eventfd");
}

EngineEvent RemoteLink::next() {
  ending_.reset();
  if (!job_) {
    try {
      if (!start_again()) return EngineEnded{};
    } catch (const InputError& e) {
      return EngineEnded{e.what()};
    }
  }
  if (!peer_ && !connect()) return closing_ ? end_job() : lost(why_not_there());
  return follow();
}

// After a pause that doubles each time. False: close() was called meanwhile.
bool RemoteLink::start_again() {
  const double pause_s = std::min(policy_.longest_delay_s, policy_.first_delay_s * std::pow(2, failures_ - 1));
  for (const double until = now_s() + pause_s; !closing_ && now_s() < until;) {
    std::vector<pollfd> fds{{wake_.get(), POLLIN, 0}};
    poll_until(fds, until);
    hear_wakes();
  }
  if (closing_) return false;
  job_ = start_(listener_.invitation());
  return true;
}

void RemoteLink::hear_wakes() const {
  uint64_t wakes = 0;
  [[maybe_unused]] const ssize_t n = ::read(wake_.get(), &wakes, sizeof wakes);
}

// Waits for rank 0. False: the job has ended, or took too long, or close() was called.
bool RemoteLink::connect() {
  const double until = now_s() + policy_.start_timeout_s;
  while (!closing_) {
    std::optional<Guest> guest = listener_.admit(until, {wake_.get(), job_->ended_fd()});
    hear_wakes();
    if (!guest && (job_has_ended(0) || now_s() >= until)) return false;
    if (!guest || guest->rank != 0 || guest->purpose != Purpose::commands || !guest->welcome()) continue;
    welcome(std::move(*guest));
    return true;
  }
  return false;
}

bool RemoteLink::job_has_ended(int wait_ms) const {
  pollfd ended{job_->ended_fd(), POLLIN, 0};
  return ::poll(&ended, 1, wait_ms) > 0;
}

std::string RemoteLink::why_not_there() {
  if (job_has_ended(0)) return job_->why_it_ended();
  return cat("the ranks did not start within ", policy_.start_timeout_s,
             " s; a host may be out of reach (--log-level debug shows what mpirun says)");
}

void RemoteLink::welcome(Guest rank_0) {
  host_ = rank_0.host;
  peer_ = std::make_unique<FrameEnd>(std::move(rank_0.socket));
  break_when_silent(peer_->fd(), policy_.step_timeout_s);
  heard_ = now_s();
  clock_ = {};
  has_served_ = false;
  std::lock_guard lock(mutex_);
  connected_ = true;
}

// Reads and writes until there is an event.
EngineEvent RemoteLink::follow() {
  for (;;) {
    FromWorker frame;
    const FrameEnd::Taken taken = peer_->take(frame);
    if (taken == FrameEnd::Taken::garbage) return lost("rank 0 sent a frame of unknown kind");
    if (taken == FrameEnd::Taken::message) {
      heard_ = now_s();
      if (auto event = event_of(frame)) return std::move(*event);
      continue;
    }
    if (closing_) return end_job();
    {
      std::lock_guard lock(mutex_);
      peer_->queue(std::exchange(queued_, {}));
    }
    peer_->flush();  // a peer that is gone is noticed when it is read

    const short wanted = peer_->has_queued() ? POLLIN | POLLOUT : POLLIN;
    std::vector<pollfd> fds{{wake_.get(), POLLIN, 0}, {peer_->fd(), wanted, 0}, {job_->ended_fd(), POLLIN, 0}};
    const double silence_s = silence_within(policy_.step_timeout_s);
    const double due = std::min(heard_ + silence_s, clock_.moved() + policy_.step_timeout_s);
    poll_until(fds, due);
    hear_wakes();
    if (now_s() > due + 1) {  // this process was stopped itself, as all are with their machine or container
      heard_ = now_s();
      clock_ = {};
    }
    if (fds[1].revents & ~POLLOUT) {
      if (!peer_->read()) return lost(job_->why_it_ended());
    } else if (fds[2].revents) {
      return lost(job_->why_it_ended());
    } else if (now_s() >= heard_ + silence_s) {
      return lost_rank(0, true, cat("rank 0 on host ", host_, fell_silent(silence_s)));
    } else if (now_s() >= clock_.moved() + policy_.step_timeout_s) {
      return lost(stood_still(policy_.step_timeout_s));
    }
  }
}

std::optional<EngineEvent> RemoteLink::event_of(const FromWorker& frame) {
  switch (frame.kind_case()) {
    case FromWorker::kHello: return hello(frame.hello());
    case FromWorker::kTokens: has_served_ = true; return from_proto(frame.tokens());
    case FromWorker::kStepBegins: return StepBegins{{frame.step_begins().ids().begin(), frame.step_begins().ids().end()}};
    case FromWorker::kStats: return from_proto(frame.stats());
    case FromWorker::kFatal: return lost(frame.fatal().sentence());
    case FromWorker::kRankLost:
      return lost_rank(frame.rank_lost().rank(), frame.rank_lost().silent(), frame.rank_lost().sentence());
    case FromWorker::kBeat: return clock_.note(frame.beat().stepping(), frame.beat().progress()), std::nullopt;
    default: return lost("rank 0 sent a frame of unknown kind");
  }
}

EngineEvent RemoteLink::hello(const v1::worker::Hello& hello) {
  const std::string other =
      difference(cat("rank 0 on host ", host_), from_proto(hello.traits()), cat("the server on host ", host_name()), ours_);
  if (!other.empty()) return lost(cat(other, "; copy it from one host to the other"));
  was_ready_ = true;
  ready_since_ = now_s();
  return from_proto(hello.info());
}

// A rank's death ends mpirun within some 30 ms, which then names its host and signal; a stopped rank's silence does not.
EngineEvent RemoteLink::lost_rank(int rank, bool silent, const std::string& sentence) {
  if (silent) job_->rank_is_silent(rank);
  return lost(!silent && job_has_ended(last_words_ms) ? job_->why_it_ended() : sentence);
}

// The next call of next() ends what is left of the job, and starts another.
EngineEvent RemoteLink::lost(const std::string& sentence) {
  {
    std::lock_guard lock(mutex_);
    connected_ = false;
    queued_.clear();
  }
  peer_.reset();
  ending_ = std::move(job_);
  if (!was_ready_) return EngineEnded{sentence};
  if (has_served_ || (ready_since_ > 0 && now_s() - ready_since_ > policy_.stable_s)) failures_ = 0;
  ready_since_ = 0;
  if (failures_++ == 0) row_began_ = now_s();
  if (const double row_s = now_s() - row_began_; row_s > policy_.restart_for_s)
    return EngineEnded{cat("the workers failed ", failures_, " times in a row over ", std::lround(row_s),
                           " s, the last time because: ", sentence)};
  return EngineLost{sentence};
}

// Lets the ranks leave by themselves for a while, as long as they give signs of life; ~WorkerJob ends those that do not.
EngineEvent RemoteLink::end_job() {
  if (peer_) {
    ToWorker frame;
    frame.mutable_drain();
    peer_->queue(frame_of(frame));
    bool open = true;
    for (const double end = now_s() + drain_s; now_s() < std::min(end, heard_ + silent_s);) {
      peer_->flush();
      const short wanted = peer_->has_queued() ? POLLIN | POLLOUT : POLLIN;
      std::vector<pollfd> fds{{job_->ended_fd(), POLLIN, 0}, {open ? peer_->fd() : -1, wanted, 0}};
      poll_until(fds, std::min(end, heard_ + silent_s));
      if (fds[0].revents) break;
      if (fds[1].revents & ~POLLOUT) open = peer_->read();
      for (FromWorker ignored; peer_->take(ignored) == FrameEnd::Taken::message;) heard_ = now_s();
    }
  }
  {
    std::lock_guard lock(mutex_);
    connected_ = false;
  }
  peer_.reset();
  job_.reset();
  return EngineEnded{};
}

}  // namespace weft
