#include "parallel/host_tcp.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <random>
#include <sstream>
#include <utility>

#include "kernels/core/check.h"
#include "parallel/wait.h"

namespace weft {
namespace {

constexpr uint32_t kMaxFrame = 256u << 20;
constexpr int kJoinTimeoutMs = 60'000, kHelloTimeoutMs = 2'000;

[[noreturn]] void fail(const std::string& what) { throw CommError(cat(what, ": ", std::strerror(errno))); }

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

  // Sleeps while nothing comes, but first stays awake for a moment. timeout_ms < 0: for ever.
  void receive_all(void* data, size_t bytes, int peer, int timeout_ms = -1) const {
    for (char* at = static_cast<char*>(data); bytes > 0;) {
      ssize_t got = 0;
      const auto arrived = [&] {
        got = ::recv(fd_, at, bytes, MSG_DONTWAIT);
        return got >= 0 || (errno != EAGAIN && errno != EINTR);
      };
      if (!poll_awake(arrived)) {
        pollfd waiting{fd_, POLLIN, 0};
        if (::poll(&waiting, 1, timeout_ms) == 0) throw CommError(cat("rank ", peer, " is silent"));
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

// The first bytes on a connection.
struct Hello {
  char token[kTokenChars];
  int32_t rank;
};

std::string random_token() {
  std::random_device random;  // getrandom() or RDRAND: not guessable
  std::string token;
  while (token.size() < kTokenChars) token += "0123456789abcdef"[random() % 16];
  return token;
}

sockaddr_in ipv4(const std::string& address, int port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(static_cast<uint16_t>(port));
  if (inet_pton(AF_INET, address.c_str(), &out.sin_addr) != 1) throw CommError(cat("'", address, "' is no IPv4 address"));
  return out;
}

void send_at_once(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

}  // namespace

HostListener::HostListener(const std::string& local_address) : local_address_(local_address), token_(random_token()) {
  Socket listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = ipv4(local_address, 0);
  if (::bind(listener.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener.fd(), SOMAXCONN) != 0) {
    fail(cat("rank 0 cannot listen on ", local_address));
  }
  socket_ = listener.release();
}

HostListener::~HostListener() { close(socket_); }

std::string HostListener::invitation() const {
  sockaddr_in bound{};
  socklen_t length = sizeof bound;
  getsockname(socket_, reinterpret_cast<sockaddr*>(&bound), &length);
  return cat(local_address_, ' ', ntohs(bound.sin_port), ' ', token_);
}

std::unique_ptr<HostComm> HostListener::accept(int size) {
  std::vector<Socket> peers;
  for (int rank = 1; rank < size; ++rank) peers.emplace_back(-1);
  for (int missing = size - 1; missing > 0;) {
    pollfd waiting{socket_, POLLIN, 0};
    if (::poll(&waiting, 1, kJoinTimeoutMs) == 0) throw CommError(cat(missing, " ranks did not connect to rank 0"));
    Socket peer(::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC));
    if (peer.fd() < 0) continue;
    Hello hello;
    try {
      peer.receive_all(&hello, sizeof hello, -1, kHelloTimeoutMs);
    } catch (const CommError&) {
      continue;  // a stranger who says nothing
    }
    const bool known = std::string_view(hello.token, kTokenChars) == token_;
    if (!known || hello.rank < 1 || hello.rank >= size || peers[hello.rank - 1].fd() >= 0) continue;
    send_at_once(peer.fd());
    peers[hello.rank - 1] = std::move(peer);
    --missing;
  }
  return std::make_unique<TcpHostComm>(std::move(peers), 0, size);
}

std::unique_ptr<HostComm> join_host(const std::string& invitation, int rank, int size) {
  std::istringstream fields(invitation);
  std::string address, token;
  int port = 0;
  fields >> address >> port >> token;
  WEFT_CHECK_EQ(token.size(), kTokenChars);
  Socket socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in target = ipv4(address, port);
  if (::connect(socket.fd(), reinterpret_cast<const sockaddr*>(&target), sizeof target) != 0) {
    fail(cat("rank ", rank, " cannot connect to rank 0 at ", address, ":", port));
  }
  send_at_once(socket.fd());
  Hello hello;
  std::memcpy(hello.token, token.data(), kTokenChars);
  hello.rank = rank;
  socket.send_all(&hello, sizeof hello, 0);
  std::vector<Socket> peers;
  peers.push_back(std::move(socket));
  return std::make_unique<TcpHostComm>(std::move(peers), rank, size);
}

std::string local_address_towards(const std::string& host_name) {
  addrinfo hints{};
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(host_name.c_str(), "9", &hints, &found)) {
    throw CommError(cat("rank 0 cannot resolve the host name '", host_name, "' of another rank: ", gai_strerror(error)));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, freeaddrinfo);
  // Connecting a datagram socket sends nothing; the kernel only picks the route.
  Socket socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in local{};
  socklen_t length = sizeof local;
  if (::connect(socket.fd(), found->ai_addr, found->ai_addrlen) != 0 ||
      getsockname(socket.fd(), reinterpret_cast<sockaddr*>(&local), &length) != 0) {
    fail(cat("no route to '", host_name, "'"));
  }
  char text[INET_ADDRSTRLEN];
  return inet_ntop(AF_INET, &local.sin_addr, text, sizeof text);
}

}  // namespace weft
