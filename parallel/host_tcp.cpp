#include "parallel/host_tcp.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "kernels/core/check.h"
#include "kernels/core/wait.h"
#include "parallel/poll_until.h"

namespace weft {
namespace {

constexpr uint32_t kMaxFrame = 256u << 20;

void send_all(const FileDescriptor& socket, const void* data, size_t bytes, int peer) {
  for (const char* at = static_cast<const char*>(data); bytes > 0;) {
    const ssize_t sent = ::send(socket.get(), at, bytes, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) throw CommError(cat("rank ", peer, " closed its connection"));
    at += sent;
    bytes -= static_cast<size_t>(sent);
  }
}

// Sleeps while nothing comes, but first stays awake for a moment.
void receive_all(const FileDescriptor& socket, void* data, size_t bytes, int peer) {
  for (char* at = static_cast<char*>(data); bytes > 0;) {
    ssize_t got = 0;
    const auto arrived = [&] {
      got = ::recv(socket.get(), at, bytes, MSG_DONTWAIT);
      return got >= 0 || (errno != EAGAIN && errno != EINTR);
    };
    if (!poll_awake(arrived)) {
      pollfd waiting{socket.get(), POLLIN, 0};
      ::poll(&waiting, 1, -1);
      if (!arrived()) continue;
    }
    if (got <= 0) throw CommError(cat("rank ", peer, " closed its connection"));
    at += got;
    bytes -= static_cast<size_t>(got);
  }
}

enum class Kind : uint32_t { message = 1, value = 2, values = 3 };

struct Header {
  Kind kind;
  uint32_t bytes;
};

std::vector<std::byte> frame(Kind kind, std::span<const std::byte> body) {
  WEFT_CHECK(body.size() <= kMaxFrame, body.size(), " bytes in one host message");
  const Header header{kind, static_cast<uint32_t>(body.size())};
  std::vector<std::byte> bytes(sizeof header + body.size());
  std::memcpy(bytes.data(), &header, sizeof header);
  if (!body.empty()) std::memcpy(bytes.data() + sizeof header, body.data(), body.size());
  return bytes;
}

std::vector<std::byte> receive_frame(const FileDescriptor& socket, Kind kind, int peer) {
  Header header;
  receive_all(socket, &header, sizeof header, peer);
  if (header.kind != kind || header.bytes > kMaxFrame) {
    throw CommError(cat("rank ", peer, " is at another step of the control protocol"));
  }
  std::vector<std::byte> body(header.bytes);
  receive_all(socket, body.data(), body.size(), peer);
  return body;
}

std::span<const std::byte> as_bytes(const std::string& text) { return std::as_bytes(std::span(text)); }
std::string as_string(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// peers_: on rank 0 the connection of rank r at r - 1, on the others only rank 0's.
class TcpHostComm final : public HostComm {
 public:
  TcpHostComm(std::vector<FileDescriptor> peers, int rank, int size) : peers_(std::move(peers)), rank_(rank), size_(size) {}
  int rank() const override { return rank_; }
  int size() const override { return size_; }

  void publish(std::span<const std::byte> message) override {
    WEFT_CHECK_EQ(rank_, 0);
    send_to_all(frame(Kind::message, message));
  }

  std::vector<std::byte> receive() override {
    WEFT_CHECK(rank_ != 0, "rank 0 publishes");
    return receive_frame(peers_[0], Kind::message, 0);
  }

  // Rank 0 collects the values and sends all of them to everybody, each as its size and its bytes.
  std::vector<std::string> all_gather(const std::string& value) override {
    std::vector<std::string> all;
    if (rank_ == 0) {
      all.push_back(value);
      for (int peer = 1; peer < size_; ++peer) all.push_back(as_string(receive_frame(peers_[peer - 1], Kind::value, peer)));
      std::string joined;
      for (const std::string& one : all) joined += cat(one.size(), ' ', one);
      send_to_all(frame(Kind::values, as_bytes(joined)));
      return all;
    }
    const std::vector<std::byte> mine = frame(Kind::value, as_bytes(value));
    send_all(peers_[0], mine.data(), mine.size(), 0);
    const std::string joined = as_string(receive_frame(peers_[0], Kind::values, 0));
    for (size_t at = 0; at < joined.size();) {
      const size_t space = joined.find(' ', at);
      const size_t bytes = std::stoull(joined.substr(at, space - at));
      all.push_back(joined.substr(space + 1, bytes));
      at = space + 1 + bytes;
    }
    return all;
  }

  void barrier() override { all_gather(""); }

 private:
  void send_to_all(const std::vector<std::byte>& bytes) const {
    for (int peer = 1; peer < size_; ++peer) send_all(peers_[peer - 1], bytes.data(), bytes.size(), peer);
  }

  std::vector<FileDescriptor> peers_;
  int rank_, size_;
};

std::string numbers_of_missing(const std::vector<FileDescriptor>& peers) {
  std::string missing;
  for (size_t i = 0; i < peers.size(); ++i)
    if (!peers[i]) missing += cat(missing.empty() ? "" : ", ", i + 1);
  return missing;
}

}  // namespace

HostLink accept_ranks(JobListener& listener, int size, std::chrono::milliseconds patience) {
  const double deadline = now_s() + std::chrono::duration<double>(patience).count();
  std::vector<FileDescriptor> control(size - 1), watch(size - 1);
  std::vector<RankWatch::Peer> watched;
  for (int missing = 2 * (size - 1); missing > 0;) {
    std::optional<Guest> guest = listener.admit(deadline);
    if (!guest)
      throw CommError(cat("of the ranks, ", numbers_of_missing(watch), " did not connect to rank 0 within ",
                          patience.count() / 1000, " s: host ", listener.invitation().host, ", ",
                          listener.invitation().address, "; the hosts' ports must be open to each other"));
    if (guest->rank < 1 || guest->rank >= size || guest->purpose == Purpose::commands) continue;
    FileDescriptor& place = (guest->purpose == Purpose::control ? control : watch)[guest->rank - 1];
    if (place || !guest->welcome()) continue;
    place = std::move(guest->socket);
    --missing;
    if (guest->purpose == Purpose::watch) watched.push_back({guest->rank, guest->host, FileDescriptor()});
  }
  for (RankWatch::Peer& peer : watched) peer.socket = std::move(watch[peer.rank - 1]);
  return {std::make_unique<TcpHostComm>(std::move(control), 0, size), std::move(watched)};
}

HostLink join_host(const Invitation& invitation, int rank, int size) {
  const auto connect = [&](Purpose purpose) {
    try {
      return enter(invitation, rank, purpose);
    } catch (const CommError& error) {
      throw CommError(
          cat("rank ", rank, " found no way to rank 0: ", error.what(), "; the hosts' ports must be open to each other"));
    }
  };
  std::vector<FileDescriptor> control;
  control.push_back(connect(Purpose::control));
  std::vector<RankWatch::Peer> watched;
  watched.push_back({0, invitation.host, connect(Purpose::watch)});
  return {std::make_unique<TcpHostComm>(std::move(control), rank, size), std::move(watched)};
}

}  // namespace weft
