#include "runtime/serve/frame_socket.h"

#include <arpa/inet.h>
#include <google/protobuf/message_lite.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include "kernels/core/check.h"

namespace weft {

static_assert(std::endian::native == std::endian::little);

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  if (this != &other) reset(other.release());
  return *this;
}

void FileDescriptor::reset(int fd) {
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

int FileDescriptor::release() { return std::exchange(fd_, -1); }

FrameSocket::FrameSocket(FileDescriptor socket) : socket_(std::move(socket)) {
  const int on = 1;
  ::setsockopt(fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

bool FrameSocket::send(const google::protobuf::MessageLite& message) {
  std::lock_guard lock(sending_);
  const size_t size = message.ByteSizeLong();
  if (size > max_frame_bytes) return false;
  const auto length = static_cast<uint32_t>(size);
  out_.assign(reinterpret_cast<const char*>(&length), sizeof length);
  if (!message.AppendToString(&out_)) return false;
  for (size_t sent = 0; sent < out_.size();) {
    const ssize_t n = ::send(fd(), out_.data() + sent, out_.size() - sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    sent += static_cast<size_t>(n);
  }
  return true;
}

bool FrameSocket::read_exactly(char* data, size_t n) {
  while (n > 0) {
    const ssize_t got = ::recv(fd(), data, n, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    data += got;
    n -= static_cast<size_t>(got);
  }
  return true;
}

bool FrameSocket::receive(google::protobuf::MessageLite& message, uint32_t limit) {
  uint32_t length = 0;
  if (!read_exactly(reinterpret_cast<char*>(&length), sizeof length) || length > limit) return false;
  in_.resize(length);
  return read_exactly(in_.data(), length) && message.ParseFromString(in_);
}

void FrameSocket::set_receive_timeout(int seconds) {
  const timeval timeout{.tv_sec = seconds, .tv_usec = 0};
  ::setsockopt(fd(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
}

FileDescriptor listen_tcp(const std::string& host, uint16_t& port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  if (::inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) bad_input(host, " is no IPv4 address");
  FileDescriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof address;
  if (!socket || ::bind(socket.get(), generic, size) != 0 || ::listen(socket.get(), 8) != 0 ||
      ::getsockname(socket.get(), generic, &size) != 0)
    bad_input("cannot listen on ", host, " for the workers: ", std::strerror(errno));
  port = ntohs(address.sin_port);
  return socket;
}

FileDescriptor connect_tcp(const std::string& host, uint16_t port) {
  addrinfo hints{};
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found); error != 0)
    bad_input("cannot find the coordinator's host ", host, ": ", ::gai_strerror(error));
  FileDescriptor socket;
  int error = 0;
  for (const addrinfo* a = found; a; a = a->ai_next) {
    socket.reset(::socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol));
    if (socket && ::connect(socket.get(), a->ai_addr, a->ai_addrlen) == 0) break;
    error = errno;
    socket.reset();
  }
  ::freeaddrinfo(found);
  if (!socket) bad_input("cannot reach the coordinator at ", host, ":", port, ": ", std::strerror(error));
  return socket;
}

}  // namespace weft
