#include "parallel/host_tcp.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iterator>
#include <random>
#include <sstream>
#include <utility>

#include "kernels/core/check.h"
#include "parallel/wait.h"

namespace weft {
namespace {

constexpr uint32_t kMaxFrame = 256u << 20;
constexpr std::chrono::seconds kJoinTimeout{10}, kHelloTimeout{2};
constexpr size_t kMaxGuests = 256;
constexpr int kGuestCheckMs = 100;

using Clock = std::chrono::steady_clock;

class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }
  int fd() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

  void send_all(const void* data, size_t bytes, int peer) const {
    for (const char* at = static_cast<const char*>(data); bytes > 0;) {
      const ssize_t sent = ::send(fd_, at, bytes, MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent < 0) throw CommError(cat("rank ", peer, " closed its connection"));
      at += sent;
      bytes -= static_cast<size_t>(sent);
    }
  }

  // Sleeps while nothing comes, but first stays awake for a moment.
  void receive_all(void* data, size_t bytes, int peer) const {
    for (char* at = static_cast<char*>(data); bytes > 0;) {
      ssize_t got = 0;
      const auto arrived = [&] {
        got = ::recv(fd_, at, bytes, MSG_DONTWAIT);
        return got >= 0 || (errno != EAGAIN && errno != EINTR);
      };
      if (!poll_awake(arrived)) {
        pollfd waiting{fd_, POLLIN, 0};
        ::poll(&waiting, 1, -1);
        if (!arrived()) continue;
      }
      if (got <= 0) throw CommError(cat("rank ", peer, " closed its connection"));
      at += got;
      bytes -= static_cast<size_t>(got);
    }
  }

 private:
  int fd_;
};

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

std::vector<std::byte> receive_frame(const Socket& socket, Kind kind, int peer) {
  Header header;
  socket.receive_all(&header, sizeof header, peer);
  if (header.kind != kind || header.bytes > kMaxFrame) {
    throw CommError(cat("rank ", peer, " is at another step of the control protocol"));
  }
  std::vector<std::byte> body(header.bytes);
  socket.receive_all(body.data(), body.size(), peer);
  return body;
}

std::span<const std::byte> as_bytes(const std::string& text) { return std::as_bytes(std::span(text)); }
std::string as_string(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// peers_: on rank 0 the connection of rank r at r - 1, on the others only rank 0's.
class TcpHostComm final : public HostComm {
 public:
  TcpHostComm(std::vector<Socket> peers, int rank, int size) : peers_(std::move(peers)), rank_(rank), size_(size) {}
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
    peers_[0].send_all(mine.data(), mine.size(), 0);
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
    for (int peer = 1; peer < size_; ++peer) peers_[peer - 1].send_all(bytes.data(), bytes.size(), peer);
  }

  std::vector<Socket> peers_;
  int rank_, size_;
};

constexpr size_t kTokenChars = 32;

enum class Purpose : int32_t { control = 0, watch = 1 };
constexpr int kPurposes = 2;  // each rank makes a connection for each
constexpr size_t kHostChars = 64;

// The first bytes on a connection.
struct Hello {
  char token[kTokenChars];
  int32_t rank;
  Purpose purpose;
  char host[kHostChars];  // where the rank is; ends with a null
};

// Time does not depend on where they differ.
bool equal_secret(std::string_view a, std::string_view b) {
  unsigned difference = 0;
  for (size_t i = 0; i < kTokenChars; ++i) difference |= static_cast<unsigned char>(a[i] ^ b[i]);
  return difference == 0;
}

std::string random_token() {
  std::random_device random;  // getrandom() or RDRAND: not guessable
  std::string token;
  while (token.size() < kTokenChars) token += "0123456789abcdef"[random() % 16];
  return token;
}

// A connection that has not yet said who it is.
struct Guest {
  Socket socket;
  Clock::time_point until;
  Hello hello{};
  size_t bytes = 0;  // of hello

  // What is there of the hello; false: the guest is gone.
  bool listen() {
    const ssize_t got = ::recv(socket.fd(), reinterpret_cast<char*>(&hello) + bytes, sizeof hello - bytes, MSG_DONTWAIT);
    if (got > 0) bytes += static_cast<size_t>(got);
    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
  }

  // False: it is gone.
  bool welcome() const {
    const int on = 1;
    setsockopt(socket.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return ::send(socket.fd(), "w", 1, MSG_NOSIGNAL) == 1;
  }
};

std::string numbers_of_missing(const std::vector<Socket>& peers) {
  std::string missing;
  for (size_t i = 0; i < peers.size(); ++i)
    if (peers[i].fd() < 0) missing += cat(missing.empty() ? "" : ", ", i + 1);
  return missing;
}

}  // namespace

HostListener::HostListener(bool other_machines) : token_(random_token()) {
  Socket listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(other_machines ? INADDR_ANY : INADDR_LOOPBACK);
  if (::bind(listener.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener.fd(), SOMAXCONN) != 0)
    throw CommError(cat("rank 0 cannot listen for the other ranks: ", std::strerror(errno)));
  interfaces_ = other_machines ? network_interfaces() : std::vector<NetworkInterface>{{"lo", "127.0.0.1"}};
  socket_ = listener.release();
}

HostListener::~HostListener() { close(socket_); }

int HostListener::port() const {
  sockaddr_in bound{};
  socklen_t length = sizeof bound;
  getsockname(socket_, reinterpret_cast<sockaddr*>(&bound), &length);
  return ntohs(bound.sin_port);
}

std::string HostListener::invitation() const {
  std::string text = cat(port(), ' ', token_, ' ', host_name());
  for (const NetworkInterface& interface : interfaces_) text += ' ' + interface.address;
  return text;
}

// Many strangers may stand at the door: all are listened to at once.
HostLink HostListener::accept(int size, std::chrono::milliseconds patience) {
  const Clock::time_point deadline = Clock::now() + patience;
  std::vector<Socket> peers[kPurposes];
  for (auto& sockets : peers)
    for (int rank = 1; rank < size; ++rank) sockets.emplace_back(-1);
  std::vector<RankWatch::Peer> watched(size - 1);
  std::vector<Guest> guests;
  for (int missing = kPurposes * (size - 1); missing > 0;) {
    std::vector<pollfd> fds{{guests.size() < kMaxGuests ? socket_ : -1, POLLIN, 0}};
    for (const Guest& guest : guests) fds.push_back({guest.socket.fd(), POLLIN, 0});
    ::poll(fds.data(), fds.size(), kGuestCheckMs);
    const Clock::time_point now = Clock::now();
    if (now > deadline)
      throw CommError(cat("of the ranks, ", numbers_of_missing(peers[kPurposes - 1]), " did not connect to rank 0 within ",
                          patience.count() / 1000, " s: port ", port(), " of host ", host_name(), ", ",
                          to_string(interfaces_), "; the hosts' ports must be open to each other"));
    for (size_t i = guests.size(); i-- > 0;) {
      Guest& guest = guests[i];
      bool done = now > guest.until || (fds[i + 1].revents && !guest.listen());
      if (!done && guest.bytes == sizeof guest.hello) {
        done = true;
        const int rank = guest.hello.rank, purpose = static_cast<int>(guest.hello.purpose);
        const bool known = equal_secret(std::string_view(guest.hello.token, kTokenChars), token_) && rank >= 1 && rank < size &&
                           purpose >= 0 && purpose < kPurposes;
        if (known && peers[purpose][rank - 1].fd() < 0 && guest.welcome()) {
          guest.hello.host[kHostChars - 1] = '\0';
          watched[rank - 1].host = guest.hello.host;
          peers[purpose][rank - 1] = std::move(guest.socket);
          --missing;
        }
      }
      if (done) guests.erase(guests.begin() + static_cast<ptrdiff_t>(i));
    }
    if (fds[0].revents) {
      Socket peer(::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC));
      if (peer.fd() >= 0) guests.push_back({std::move(peer), now + kHelloTimeout});
    }
  }
  auto& [control, watch] = peers;
  for (int rank = 1; rank < size; ++rank) {
    watched[rank - 1].rank = rank;
    watched[rank - 1].socket.reset(watch[rank - 1].release());
  }
  return {std::make_unique<TcpHostComm>(std::move(control), 0, size), std::move(watched)};
}

HostLink join_host(const std::string& invitation, int rank, int size) {
  std::istringstream fields(invitation);
  std::string token, host;
  int port = 0;
  fields >> port >> token >> host;
  WEFT_CHECK_EQ(token.size(), kTokenChars);
  const std::vector<std::string> addresses{std::istream_iterator<std::string>(fields), {}};
  const auto connect = [&](Purpose purpose) {
    Hello hello{.token = {}, .rank = rank, .purpose = purpose, .host = {}};
    std::memcpy(hello.token, token.data(), kTokenChars);
    host_name().copy(hello.host, kHostChars - 1);
    try {
      return Socket(connect_any(addresses, port, kJoinTimeout, std::as_bytes(std::span(&hello, 1))));
    } catch (const CommError& error) {
      throw CommError(
          cat("rank ", rank, " found no way to rank 0: ", error.what(), "; the hosts' ports must be open to each other"));
    }
  };
  std::vector<Socket> control;
  control.push_back(connect(Purpose::control));
  std::vector<RankWatch::Peer> watched;
  watched.push_back({0, host, FileDescriptor(connect(Purpose::watch).release())});
  return {std::make_unique<TcpHostComm>(std::move(control), rank, size), std::move(watched)};
}

}  // namespace weft
