#pragma once
// Protobuf messages over a stream socket: a 32-bit little-endian length, at most max_frame_bytes, then the
// message.
#include <cstdint>
#include <mutex>
#include <string>

#include "parallel/file_descriptor.h"

namespace google::protobuf {
class MessageLite;
}

namespace weft {

constexpr uint32_t max_frame_bytes = 64 << 20;

// A message as it travels; empty if it is too large.
std::string frame_of(const google::protobuf::MessageLite& message);

// An end that waits for its peer.
class FrameSocket {
 public:
  explicit FrameSocket(FileDescriptor socket);

  // Any thread; messages of several threads do not mix. False: the peer is gone.
  bool send(const google::protobuf::MessageLite& message);
  // One thread. Sleeps until a whole message is there. False: the peer is gone, or sent what is no such
  // message of at most `limit` bytes.
  bool receive(google::protobuf::MessageLite& message, uint32_t limit = max_frame_bytes);
  int fd() const { return socket_.get(); }

 private:
  bool read_exactly(char* data, size_t n);

  FileDescriptor socket_;
  std::mutex sending_;
  std::string in_;
};

// An end that never waits: a loop around poll() says when there is something to read or room to write. One thread.
class FrameEnd {
 public:
  explicit FrameEnd(FileDescriptor socket);

  void queue(const std::string& frames) { out_ += frames; }
  bool has_queued() const { return sent_ < out_.size(); }
  // Both do what can be done now. False: the peer is gone.
  bool flush();
  bool read();

  enum class Taken { nothing, message, garbage };  // garbage: no message of the kind, or over `limit` bytes
  Taken take(google::protobuf::MessageLite& message, uint32_t limit = max_frame_bytes);
  int fd() const { return socket_.get(); }

 private:
  FileDescriptor socket_;
  std::string out_, in_;
  size_t sent_ = 0;  // of out_
};

// A connection whose peer does not take what is sent for so long is broken: its host or the way to it is gone.
void break_when_silent(int fd, double seconds);

}  // namespace weft
