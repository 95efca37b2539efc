#include "parallel/rank_watch.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>

#include "kernels/core/check.h"

namespace weft {
namespace {

constexpr double kBeat = 0.5;  // seconds

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// What rank 0 knows of another rank.
struct Peer {
  double heard;
  uint64_t progress = 0;
  unsigned char bytes[sizeof(uint64_t)];
  size_t got = 0;  // of bytes

  // Takes what has come. False: the connection is closed.
  bool read(int socket) {
    for (;;) {
      const ssize_t n = ::recv(socket, bytes + got, sizeof bytes - got, MSG_DONTWAIT);
      if (n <= 0) return n < 0 && (errno == EAGAIN || errno == EINTR);
      got += static_cast<size_t>(n);
      if (got < sizeof bytes) continue;
      std::memcpy(&progress, bytes, sizeof progress);
      got = 0;
      heard = now();
    }
  }
};

// Sleeps until a descriptor is ready, at most until then. False: the watch is to stop, which fds[0] tells.
bool sleep_until_beat(std::vector<pollfd>& fds, double until) {
  for (;;) {
    const int left_ms = static_cast<int>(std::ceil(std::max(0.0, until - now()) * 1000));
    if (::poll(fds.data(), fds.size(), left_ms) >= 0) return fds[0].revents == 0;
    WEFT_CHECK(errno == EINTR, "poll");
  }
}

}  // namespace

RankWatch::RankWatch(int rank, std::vector<int> sockets)
    : rank_(rank), sockets_(std::move(sockets)), stop_(::eventfd(0, EFD_CLOEXEC)) {}

RankWatch::~RankWatch() {
  stop();
  for (const int socket : sockets_) ::close(socket);
  ::close(stop_);
}

void RankWatch::start(Tell tell, double silence_s) {
  const auto ms = static_cast<unsigned>(silence_s * 1000);  // a host that is gone acknowledges nothing
  for (const int socket : sockets_) ::setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof ms);
  thread_ = std::thread(
      [this, tell = std::move(tell), silence_s] { rank_ == 0 ? watch_ranks(tell, silence_s) : report_to_rank_0(tell); });
}

void RankWatch::stop() {
  if (!thread_.joinable()) return;
  const uint64_t one = 1;
  WEFT_CHECK(::write(stop_, &one, sizeof one) == sizeof one, "eventfd");
  thread_.join();
}

void RankWatch::watch_ranks(const Tell& tell, double silence_s) {
  std::vector<pollfd> fds{{stop_, POLLIN, 0}};
  for (const int socket : sockets_) fds.push_back({socket, POLLIN, 0});
  std::vector<Peer> peers(sockets_.size(), Peer{.heard = now(), .bytes = {}});
  for (double next_beat = now();;) {
    if (!sleep_until_beat(fds, next_beat)) return;
    uint64_t progress = tell.progress();
    for (size_t i = 0; i < peers.size(); ++i) {
      if (fds[i + 1].revents && !peers[i].read(sockets_[i])) return tell.lost(cat("rank ", i + 1, " is gone"));
      if (now() - peers[i].heard > silence_s)
        return tell.lost(
            cat("rank ", i + 1, " was silent for ", silence_s, " s: it is stopped, or its host cannot be reached"));
      progress += peers[i].progress;
    }
    if (now() < next_beat) continue;
    tell.beat(progress);
    next_beat = now() + kBeat;
  }
}

void RankWatch::report_to_rank_0(const Tell& tell) {
  std::vector<pollfd> fds{{stop_, POLLIN, 0}, {sockets_.at(0), POLLRDHUP, 0}};
  for (double next_beat = now(); sleep_until_beat(fds, next_beat); next_beat = now() + kBeat) {
    const uint64_t progress = tell.progress();
    const bool sent = ::send(sockets_[0], &progress, sizeof progress, MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof progress;
    if (fds[1].revents || (!sent && errno != EAGAIN)) return tell.lost("rank 0 is gone");
  }
}

}  // namespace weft
