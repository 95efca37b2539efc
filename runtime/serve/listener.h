#pragma once
// Accepts connections, so many open at a time and no more. gRPC would take every connection there is, and once the process has
// no descriptor left it never listens again.
#include <sys/types.h>

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "parallel/file_descriptor.h"

namespace weft {

// How many of the `wanted` connections the process's limit of open files leaves room for beside what else a server opens; it is
// raised first, as far as it may be. Warns where that is fewer, and throws InputError where it is none.
int allowed_connections(int wanted);

class Listener {
 public:
  // Listens on "HOST:PORT" (port 0: one the system chooses), on every address of the host; "[...]" around an IPv6 address.
  // Refuses an address that cannot be had with one sentence.
  explicit Listener(const std::string& address);
  ~Listener() { stop(); }

  int port() const { return port_; }
  // Hands each connection (non-blocking) on from a thread of its own; the descriptor is then the taker's, who closes it. With
  // max_connections of them open another is closed at once: its client may try again, and nobody waits for nothing.
  void start(int max_connections, std::function<void(int)> take);
  void stop();

 private:
  struct Connection {
    int fd;
    ino_t inode;  // tells it from a later file of the same number
  };
  void run();
  void accept_from(int listening);
  bool has_room();

  std::vector<FileDescriptor> sockets_;
  FileDescriptor stopped_;
  int port_ = 0;
  int max_connections_ = 0;
  std::function<void(int)> take_;
  std::vector<Connection> open_;  // some may have been closed since
  bool full_ = false;
  std::thread thread_;
};

}  // namespace weft
