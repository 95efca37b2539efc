#include "runtime/serve/frame_socket.h"

#include <google/protobuf/message_lite.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

namespace weft {

static_assert(std::endian::native == std::endian::little);

std::string frame_of(const google::protobuf::MessageLite& message) {
  const size_t size = message.ByteSizeLong();
  if (size > max_frame_bytes) return "";
  const auto length = static_cast<uint32_t>(size);
  std::string frame(reinterpret_cast<const char*>(&length), sizeof length);
  return message.AppendToString(&frame) ? frame : "";
}

namespace {

void send_at_once(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

bool would_wait() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

}  // namespace

FrameSocket::FrameSocket(FileDescriptor socket) : socket_(std::move(socket)) { send_at_once(fd()); }

bool FrameSocket::send(const google::protobuf::MessageLite& message) {
  const std::string frame = frame_of(message);
  if (frame.empty()) return false;
  std::lock_guard lock(sending_);
  for (size_t sent = 0; sent < frame.size();) {
    const ssize_t n = ::send(fd(), frame.data() + sent, frame.size() - sent, MSG_NOSIGNAL);
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

FrameEnd::FrameEnd(FileDescriptor socket) : socket_(std::move(socket)) { send_at_once(fd()); }

bool FrameEnd::flush() {
  while (has_queued()) {
    const ssize_t n = ::send(fd(), out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0) return would_wait();
    sent_ += static_cast<size_t>(n);
  }
  out_.clear();
  sent_ = 0;
  return true;
}

bool FrameEnd::read() {
  char bytes[64 << 10];
  const ssize_t n = ::recv(fd(), bytes, sizeof bytes, MSG_DONTWAIT);
  if (n < 0) return would_wait();
  in_.append(bytes, static_cast<size_t>(n));
  return n > 0;
}

FrameEnd::Taken FrameEnd::take(google::protobuf::MessageLite& message, uint32_t limit) {
  uint32_t length = 0;
  if (in_.size() < sizeof length) return Taken::nothing;
  std::memcpy(&length, in_.data(), sizeof length);
  if (length > limit) return Taken::garbage;
  if (in_.size() < sizeof length + length) return Taken::nothing;
  const bool parsed = message.ParseFromArray(in_.data() + sizeof length, static_cast<int>(length));
  in_.erase(0, sizeof length + length);
  return parsed ? Taken::message : Taken::garbage;
}

void break_when_silent(int fd, double seconds) {
  const auto ms = static_cast<unsigned>(seconds * 1000);
  ::setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof ms);
}

}  // namespace weft
