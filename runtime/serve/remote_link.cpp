#include "runtime/serve/remote_link.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <deque>

#include "kernels/core/check.h"
#include "parallel/poll_until.h"
#include "parallel/rank_watch.h"
#include "runtime/serve/conversions.h"

namespace weft {
namespace {

using v1::worker::FromWorker;
using v1::worker::ToWorker;

constexpr uint32_t max_login_bytes = 1024;
constexpr size_t max_visitors = 64;
constexpr int last_words_ms = 90;  // a death is to be told within 100 ms
constexpr double login_s = 1, drain_s = 10, silent_s = 2;

std::string random_token() {
  unsigned char bytes[32];
  WEFT_CHECK(::getrandom(bytes, sizeof bytes, 0) == sizeof bytes, "getrandom failed");
  std::string token;
  for (const unsigned char b : bytes) {
    token += "0123456789abcdef"[b >> 4];
    token += "0123456789abcdef"[b & 15];
  }
  return token;
}

// Time does not depend on where the strings differ.
bool equal_secret(const std::string& a, const std::string& b) {
  if (a.size() != b.size()) return false;
  unsigned difference = 0;
  for (size_t i = 0; i < a.size(); ++i) difference |= static_cast<unsigned char>(a[i] ^ b[i]);
  return difference == 0;
}

// A connection that has not yet said who it is.
struct Visitor {
  std::unique_ptr<FrameEnd> end;
  double until;  // when its time to log in is over

  // Takes what has come. True: it knows the token. A wrong one is shown the door.
  bool knows(const std::string& token) {
    FromWorker frame;
    if (!end->read()) return leave();
    switch (end->take(frame, max_login_bytes)) {
      case FrameEnd::Taken::nothing: return false;
      case FrameEnd::Taken::garbage: return leave();
      case FrameEnd::Taken::message: break;
    }
    return (frame.has_login() && equal_secret(frame.login().token(), token)) || leave();
  }
  bool leave() { return until = 0; }
};

}  // namespace

RemoteLink::RemoteLink(const std::string& listen, const std::string& reach, StartJob start, const LinkPolicy& policy)
    : start_(std::move(start)),
      policy_(policy),
      listener_(listen_tcp(listen, port_)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  ::fcntl(listener_.get(), F_SETFL, O_NONBLOCK);
  invitation_ = {cat(reach, ":", port_), random_token()};
  job_ = start_(invitation_);
}

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
  if (!peer_ && !connect()) return closing_ ? end_job() : lost(job_->why_it_ended());
  return follow();
}

// After a pause that doubles each time. False: close() was called meanwhile.
bool RemoteLink::start_again() {
  const double pause_s = std::min(policy_.longest_delay_s, policy_.first_delay_s * std::pow(2, failures_ - 1));
  for (const double until = now_s() + pause_s; !closing_ && now_s() < until;) {
    std::vector<pollfd> fds{{wake_.get(), POLLIN, 0}};
    poll_until(fds, until);
    uint64_t wakes = 0;
    [[maybe_unused]] const ssize_t n = ::read(wake_.get(), &wakes, sizeof wakes);
  }
  if (closing_) return false;
  job_ = start_(invitation_);
  return true;
}

// Waits for a connection that knows the token, among others that may say nothing for a while. False: the job has ended, or
// close() was called.
bool RemoteLink::connect() {
  std::deque<Visitor> visitors;  // in order of arrival
  while (!closing_) {
    std::vector<pollfd> fds{{wake_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}, {job_->ended_fd(), POLLIN, 0}};
    for (const Visitor& visitor : visitors) fds.push_back({visitor.end->fd(), POLLIN, 0});
    poll_until(fds, visitors.empty() ? HUGE_VAL : visitors.front().until);

    bool input = fds[1].revents != 0;
    for (size_t i = 0; i < visitors.size(); ++i) {
      if (!fds[3 + i].revents) continue;
      input = true;
      if (!visitors[i].knows(invitation_.token)) continue;
      welcome(std::move(visitors[i].end));
      return true;
    }
    std::erase_if(visitors, [](const Visitor& visitor) { return visitor.until <= now_s(); });
    for (FileDescriptor peer; peer.reset(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)), peer;) {
      visitors.push_back({std::make_unique<FrameEnd>(std::move(peer)), now_s() + login_s});
      if (visitors.size() > max_visitors) visitors.pop_front();
    }
    if (fds[2].revents && !input) return false;  // what came before the end of the job counts first
  }
  return false;
}

void RemoteLink::welcome(std::unique_ptr<FrameEnd> worker) {
  peer_ = std::move(worker);
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
    poll_until(fds, std::min(heard_ + silence_s, clock_.moved() + policy_.step_timeout_s));
    uint64_t wakes = 0;
    [[maybe_unused]] const ssize_t n = ::read(wake_.get(), &wakes, sizeof wakes);
    if (fds[1].revents & ~POLLOUT) {
      if (!peer_->read()) return lost(job_->why_it_ended());
    } else if (fds[2].revents) {
      return lost(job_->why_it_ended());
    } else if (now_s() >= heard_ + silence_s) {
      return lost(cat("rank 0 was silent for ", silence_s, " s: it is stopped, or its host cannot be reached"));
    } else if (now_s() >= clock_.moved() + policy_.step_timeout_s) {
      return lost(stood_still(policy_.step_timeout_s));
    }
  }
}

std::optional<EngineEvent> RemoteLink::event_of(const FromWorker& frame) {
  switch (frame.kind_case()) {
    case FromWorker::kHello:
      was_ready_ = true;
      ready_since_ = now_s();
      return from_proto(frame.hello().info());
    case FromWorker::kTokens:
      has_served_ = true;
      return from_proto(frame.tokens());
    case FromWorker::kStepBegins: return StepBegins{{frame.step_begins().ids().begin(), frame.step_begins().ids().end()}};
    case FromWorker::kStats: return from_proto(frame.stats());
    case FromWorker::kFatal:
      return lost(frame.fatal().rank_lost() ? why_lost(frame.fatal().sentence()) : frame.fatal().sentence());
    case FromWorker::kBeat: return clock_.note(frame.beat().stepping(), frame.beat().progress()), std::nullopt;
    default: return lost("rank 0 sent a frame of unknown kind");
  }
}

// A rank's death ends mpirun within some 30 ms, which then names its host and signal; a stopped rank's silence does not.
std::string RemoteLink::why_lost(const std::string& sentence) {
  pollfd ended{job_->ended_fd(), POLLIN, 0};
  return ::poll(&ended, 1, last_words_ms) > 0 ? job_->why_it_ended() : sentence;
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
