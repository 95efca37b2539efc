#include "parallel/rank_watch.h"

#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <limits>

#include "kernels/core/check.h"
#include "parallel/poll_until.h"

namespace weft {
namespace {

constexpr double kBeat = 0.25;   // seconds
constexpr double kArrival = 15;  // other ranks may need so long to reach rank 0, which speaks to none before
constexpr uint64_t kGoodbye = std::numeric_limits<uint64_t>::max();

// What is known of another rank.
struct Heard {
  double when;
  uint64_t progress = 0;
  bool left = false;
  unsigned char bytes[sizeof(uint64_t)];
  size_t got = 0;  // of bytes

  // Takes what has come. False: the connection has closed without a goodbye.
  bool read(int socket) {
    while (!left) {
      const ssize_t n = ::recv(socket, bytes + got, sizeof bytes - got, MSG_DONTWAIT);
      if (n <= 0) return n < 0 && (errno == EAGAIN || errno == EINTR);
      got += static_cast<size_t>(n);
      if (got < sizeof bytes) continue;
      std::memcpy(&progress, bytes, sizeof progress);
      got = 0;
      when = now_s();
      left = progress == kGoodbye;
    }
    return true;
  }
};

std::string name(const RankWatch::Peer& peer) { return cat("rank ", peer.rank, " on host ", peer.host); }

}  // namespace

std::string fell_silent(double seconds) {
  return cat(" was silent for ", seconds, " s: it is stopped, or its host cannot be reached");
}

RankWatch::RankWatch(std::vector<Peer> peers, double silence_s, Tell tell)
    : peers_(std::move(peers)),
      stop_(::eventfd(0, EFD_CLOEXEC)),
      tell_(std::move(tell)),
      thread_([this, silence_s] { watch(silence_s); }) {}

RankWatch::~RankWatch() {
  const uint64_t one = 1;
  WEFT_CHECK(::write(stop_.get(), &one, sizeof one) == sizeof one, "eventfd");
  thread_.join();
  send(kGoodbye);
}

void RankWatch::tell(Tell tell) {
  std::lock_guard lock(mutex_);
  tell_ = std::move(tell);
}

// A peer that takes nothing more is noticed by its silence.
void RankWatch::send(uint64_t word) const {
  for (const Peer& peer : peers_) ::send(peer.socket.get(), &word, sizeof word, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void RankWatch::watch(double silence_s) {
  std::vector<pollfd> fds{{stop_.get(), POLLIN, 0}};
  for (const Peer& peer : peers_) fds.push_back({peer.socket.get(), POLLIN, 0});
  std::vector<Heard> heard(peers_.size(), Heard{.when = now_s() + kArrival, .bytes = {}});
  for (double next_beat = now_s();;) {
    poll_until(fds, next_beat);
    if (fds[0].revents) return;
    std::lock_guard lock(mutex_);
    // Whoever was stopped himself, as all ranks are with their machine or container, has heard nobody in that time.
    if (now_s() > next_beat + 1)
      for (Heard& peer : heard) peer.when = now_s();
    uint64_t progress = tell_.progress(), own = progress;
    for (size_t i = 0; i < peers_.size(); ++i) {
      if (fds[i + 1].revents && !heard[i].read(peers_[i].socket.get())) {
        return tell_.lost({peers_[i].rank, false, name(peers_[i]) + " is gone"});
      }
      if (heard[i].left) {
        fds[i + 1].fd = -1;
        continue;
      }
      if (now_s() - heard[i].when > silence_s)
        return tell_.lost({peers_[i].rank, true, name(peers_[i]) + fell_silent(silence_s)});
      progress += heard[i].progress;
    }
    if (now_s() < next_beat) continue;
    send(own);
    tell_.beat(progress);
    next_beat = now_s() + kBeat;
  }
}

}  // namespace weft
