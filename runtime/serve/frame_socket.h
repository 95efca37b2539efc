#pragma once
// Protobuf messages over a stream socket: a 32-bit little-endian length, at most max_frame_bytes, then the
// message.
#include <cstdint>
#include <mutex>
#include <string>

namespace google::protobuf {
class MessageLite;
}

namespace weft {

constexpr uint32_t max_frame_bytes = 64 << 20;

// An open file descriptor.
class FileDescriptor {
 public:
  explicit FileDescriptor(int fd = -1) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(other.release()) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  ~FileDescriptor() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void reset(int fd = -1);
  int release();

 private:
  int fd_;
};

class FrameSocket {
 public:
  explicit FrameSocket(FileDescriptor socket);

  // Any thread; messages of several threads do not mix. False: the peer is gone.
  bool send(const google::protobuf::MessageLite& message);
  // One thread. Sleeps until a whole message is there. False: the peer is gone, or sent what is no such
  // message of at most `limit` bytes.
  bool receive(google::protobuf::MessageLite& message, uint32_t limit = max_frame_bytes);
  // receive() gives up after this time; 0: never.
  void set_receive_timeout(int seconds);
  int fd() const { return socket_.get(); }

 private:
  bool read_exactly(char* data, size_t n);

  FileDescriptor socket_;
  std::mutex sending_;
  std::string out_, in_;
};

// Listens on an IPv4 address, "127.0.0.1" or "0.0.0.0", at a port the system chooses.
FileDescriptor listen_tcp(const std::string& host, uint16_t& port);
// Throws InputError if nobody answers.
FileDescriptor connect_tcp(const std::string& host, uint16_t port);

}  // namespace weft
