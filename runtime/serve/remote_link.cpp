#include "runtime/serve/remote_link.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>

#include "kernels/core/check.h"
#include "runtime/serve/conversions.h"

namespace weft {
namespace {

using v1::worker::FromWorker;
using v1::worker::ToWorker;

constexpr uint32_t max_login_bytes = 1024;
constexpr int login_timeout_s = 5, drain_timeout_ms = 10'000;

double now_s() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

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

}  // namespace

RemoteLink::RemoteLink(const std::string& listen, const std::string& reach, StartJob start, const RestartPolicy& policy)
    : start_(std::move(start)), policy_(policy), listener_(listen_tcp(listen, port_)), closed_(::eventfd(0, EFD_CLOEXEC)) {
  invitation_ = {cat(reach, ":", port_), random_token()};
  job_ = start_(invitation_);
}

RemoteLink::~RemoteLink() = default;

void RemoteLink::set_socket(std::unique_ptr<FrameSocket> socket) {
  std::lock_guard lock(mutex_);
  socket_ = std::move(socket);
}

void RemoteLink::submit(const Request& request) {
  std::shared_ptr<FrameSocket> socket;
  {
    std::lock_guard lock(mutex_);
    socket = socket_;
  }
  if (!socket) return;
  ToWorker frame;
  *frame.mutable_submit() = to_proto(request);
  socket->send(frame);  // a peer that is gone is noticed by next()
}

void RemoteLink::cancel(RequestId id) {
  std::shared_ptr<FrameSocket> socket;
  {
    std::lock_guard lock(mutex_);
    socket = socket_;
  }
  if (!socket) return;
  ToWorker frame;
  frame.mutable_cancel()->set_id(id);
  socket->send(frame);
}

void RemoteLink::close() {
  const uint64_t one = 1;
  WEFT_CHECK(::write(closed_.get(), &one, sizeof one) == sizeof one, "eventfd");
}

// Sleeps until fd is readable; what comes first counts, input before the end of the job that sent it.
RemoteLink::Wake RemoteLink::wait(int fd, int timeout_ms) {
  pollfd fds[] = {{closed_.get(), POLLIN, 0}, {fd, POLLIN, 0}, {job_ ? job_->ended_fd() : -1, POLLIN, 0}};
  while (::poll(fds, 3, timeout_ms) < 0) WEFT_CHECK(errno == EINTR, "poll");
  if (fds[0].revents) return Wake::closed;
  if (fds[1].revents || !fds[2].revents) return Wake::input;
  return Wake::job_ended;
}

EngineEvent RemoteLink::next() {
  for (;;) {
    if (!job_) {
      if (!pause_before_restart()) return EngineEnded{};
      try {
        job_ = start_(invitation_);
      } catch (const InputError& e) {
        return EngineEnded{e.what()};
      }
    }
    if (!socket_ && !connect()) {
      if (!job_) return EngineEnded{};
      return lost(job_->why_it_ended());
    }
    switch (wait(socket_->fd(), -1)) {
      case Wake::closed: return end_job();
      case Wake::input: return read();
      case Wake::job_ended: return lost(job_->why_it_ended());
    }
  }
}

// Waits for a connection that knows the token. False: the job has ended, or (then job_ is null) close() was
// called.
bool RemoteLink::connect() {
  for (;;) {
    switch (wait(listener_.get(), -1)) {
      case Wake::closed: job_.reset(); return false;
      case Wake::job_ended: return false;
      case Wake::input:
        if (auto worker = accept_worker()) {
          set_socket(std::move(worker));
          return true;
        }
    }
  }
}

std::unique_ptr<FrameSocket> RemoteLink::accept_worker() {
  FileDescriptor peer(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!peer) return nullptr;
  auto socket = std::make_unique<FrameSocket>(std::move(peer));
  socket->set_receive_timeout(login_timeout_s);
  FromWorker frame;
  if (!socket->receive(frame, max_login_bytes) || !frame.has_login() ||
      !equal_secret(frame.login().token(), invitation_.token))
    return nullptr;
  socket->set_receive_timeout(0);
  return socket;
}

EngineEvent RemoteLink::read() {
  FromWorker frame;
  if (!socket_->receive(frame)) return lost(job_->why_it_ended());
  switch (frame.kind_case()) {
    case FromWorker::kHello:
      was_ready_ = true;
      ready_since_ = now_s();
      return from_proto(frame.hello().info());
    case FromWorker::kTokens: return from_proto(frame.tokens());
    case FromWorker::kStats: return from_proto(frame.stats());
    case FromWorker::kFatal: return lost(frame.fatal().sentence());
    default: return lost("the worker job sent a frame of unknown kind");
  }
}

// Ends what is left of the job. The next call of next() starts another, if it may.
EngineEvent RemoteLink::lost(const std::string& sentence) {
  set_socket(nullptr);
  job_.reset();
  if (!was_ready_) return EngineEnded{sentence};
  if (ready_since_ > 0 && now_s() - ready_since_ > policy_.stable_s) restarts_ = 0;
  ready_since_ = 0;
  if (++restarts_ > policy_.max_restarts)
    return EngineEnded{cat("the workers failed ", restarts_, " times in a row, the last time because: ", sentence)};
  return EngineLost{sentence};
}

// False: close() was called meanwhile.
bool RemoteLink::pause_before_restart() {
  const double delay_s = std::min(5.0, policy_.first_delay_s * std::pow(2, restarts_ - 1));
  return wait(-1, static_cast<int>(delay_s * 1000)) != Wake::closed;
}

// Lets the ranks leave by themselves for a while; ~WorkerJob ends those that do not.
EngineEvent RemoteLink::end_job() {
  ToWorker frame;
  frame.mutable_drain();
  if (socket_->send(frame)) {
    pollfd ended{job_->ended_fd(), POLLIN, 0};
    ::poll(&ended, 1, drain_timeout_ms);
  }
  set_socket(nullptr);
  job_.reset();
  return EngineEnded{};
}

}  // namespace weft
