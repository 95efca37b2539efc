#include "runtime/serve/listener.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "kernels/core/check.h"
#include "kernels/core/log.h"

namespace weft {
namespace {

// A server opens about 25 files and sockets itself, under mpirun too; the rest is for the start of new ranks.
constexpr int own_files = 64;

struct HostPort {
  std::string host;
  int port;
};

HostPort split(const std::string& address) {
  const size_t colon = address.rfind(':');
  const std::string port = colon == std::string::npos ? "" : address.substr(colon + 1);
  const bool digits = !port.empty() && port.size() <= 5 && port.find_first_not_of("0123456789") == std::string::npos;
  std::string host = address.substr(0, std::min(colon, address.size()));
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  if (!digits || std::stoi(port) > 65535 || host.empty())
    bad_input("cannot listen on ", address, ": it must be HOST:PORT with a port of 0 to 65535");
  return {host, std::stoi(port)};
}

void set(int fd, int level, int option, int value) { ::setsockopt(fd, level, option, &value, sizeof value); }

// Accepted connections inherit these. Keep-alive: a peer that vanished is noticed, and its place free, after 90 seconds.
void set_options(int fd, int family) {
  set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (family == AF_INET6) set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
  set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 60);
  set(fd, IPPROTO_TCP, TCP_KEEPINTVL, 10);
  set(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
}

int bound_port(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&address)->sin6_port
                                             : reinterpret_cast<sockaddr_in*>(&address)->sin_port);
}

ino_t inode_of(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 ? status.st_ino : 0;
}

}  // namespace

int allowed_connections(int wanted) {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  const rlim_t needed = static_cast<rlim_t>(wanted) + own_files;
  if (files.rlim_cur < needed && files.rlim_cur < files.rlim_max) {
    files.rlim_cur = std::min(needed, files.rlim_max);
    ::setrlimit(RLIMIT_NOFILE, &files);
    ::getrlimit(RLIMIT_NOFILE, &files);
  }
  if (files.rlim_cur >= needed) return wanted;
  if (files.rlim_cur <= own_files)
    bad_input("the limit of open files (ulimit -n) is ", files.rlim_cur, "; a server needs more than ", own_files);
  const int allowed = static_cast<int>(files.rlim_cur) - own_files;
  log_warn("the limit of open files (ulimit -n) is ", files.rlim_cur, ": at most ", allowed,
           " connections at a time instead of ", wanted, " (--max-connections)");
  return allowed;
}

Listener::Listener(const std::string& address) : stopped_(::eventfd(0, EFD_CLOEXEC)) {
  const HostPort wanted = split(address);
  port_ = wanted.port;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  if (const int error = ::getaddrinfo(wanted.host.c_str(), nullptr, &hints, &found); error != 0)
    bad_input("cannot listen on ", address, ": ", ::gai_strerror(error));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(found, ::freeaddrinfo);
  int error = 0;
  for (const addrinfo* a = found; a; a = a->ai_next) {
    FileDescriptor socket(::socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (socket) set_options(socket.get(), a->ai_family);
    // "localhost" has two addresses, which share one port.
    if (a->ai_family == AF_INET6)
      reinterpret_cast<sockaddr_in6*>(a->ai_addr)->sin6_port = htons(static_cast<uint16_t>(port_));
    else
      reinterpret_cast<sockaddr_in*>(a->ai_addr)->sin_port = htons(static_cast<uint16_t>(port_));
    if (!socket || ::bind(socket.get(), a->ai_addr, a->ai_addrlen) != 0 || ::listen(socket.get(), SOMAXCONN) != 0) {
      error = errno;
      continue;
    }
    port_ = bound_port(socket.get());
    sockets_.push_back(std::move(socket));
  }
  if (sockets_.empty() || error == EADDRINUSE) bad_input("cannot listen on ", address, ": ", std::strerror(error));
}

void Listener::start(int max_connections, std::function<void(int)> take) {
  max_connections_ = max_connections;
  take_ = std::move(take);
  thread_ = std::thread([this] { run(); });
}

void Listener::stop() {
  if (!thread_.joinable()) return;
  ::eventfd_write(stopped_.get(), 1);
  thread_.join();
  sockets_.clear();
}

void Listener::run() {
  std::vector<pollfd> fds{{stopped_.get(), POLLIN, 0}};
  for (const FileDescriptor& socket : sockets_) fds.push_back({socket.get(), POLLIN, 0});
  for (;;) {
    if (::poll(fds.data(), fds.size(), -1) < 0) continue;  // EINTR
    if (fds[0].revents) return;
    for (size_t i = 1; i < fds.size(); ++i)
      if (fds[i].revents) accept_from(fds[i].fd);
  }
}

void Listener::accept_from(int listening) {
  const int fd = ::accept4(listening, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) {
    // The whole machine may be out of files or memory: the connection stays in the queue and must not make this loop spin.
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) ::poll(nullptr, 0, 100);
    return;
  }
  const bool room = has_room();
  if (!room && !full_)
    log_warn("all ", max_connections_,
             " connections are in use (--max-connections); others are turned away until one closes");
  full_ = !room;
  if (!room) {
    ::close(fd);
    return;
  }
  open_.push_back({fd, inode_of(fd)});
  take_(fd);
}

// Nobody tells when a connection is closed: those that were are found when there seems to be no room.
bool Listener::has_room() {
  if (static_cast<int>(open_.size()) < max_connections_) return true;
  std::erase_if(open_, [](const Connection& c) { return inode_of(c.fd) != c.inode; });
  return static_cast<int>(open_.size()) < max_connections_;
}

}  // namespace weft
