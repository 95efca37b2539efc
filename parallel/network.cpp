#include "parallel/network.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "kernels/core/check.h"
#include "parallel/communicator.h"

namespace weft {
namespace {

// One address on the way: connecting, then (greeted) waiting for the answer; no socket once it has failed.
struct Attempt {
  std::string address;
  FileDescriptor socket = FileDescriptor();
  bool greeted = false;
  std::string outcome = "no answer";

  void fail(int error) {
    outcome = std::strerror(error);
    socket.reset();
  }
};

void start(Attempt& attempt, int port) {
  attempt.socket.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!attempt.socket) {
    attempt.outcome = std::strerror(errno);
    return;
  }
  sockaddr_in target{};
  target.sin_family = AF_INET;
  target.sin_port = htons(static_cast<uint16_t>(port));
  if (inet_pton(AF_INET, attempt.address.c_str(), &target.sin_addr) != 1)
    attempt.fail(EADDRNOTAVAIL);
  else if (::connect(attempt.socket.get(), reinterpret_cast<const sockaddr*>(&target), sizeof target) != 0 &&
           errno != EINPROGRESS)
    attempt.fail(errno);
}

// Takes an attempt on whose socket something has happened one step further; true: it has won.
bool advance(Attempt& attempt, std::span<const std::byte> greeting) {
  if (!attempt.greeted) {
    int error = 0;
    socklen_t length = sizeof error;
    getsockopt(attempt.socket.get(), SOL_SOCKET, SO_ERROR, &error, &length);
    if (error != 0) {
      attempt.fail(error);
      return false;
    }
    if (greeting.empty()) return true;
    // A fresh connection takes a few bytes whole.
    if (::send(attempt.socket.get(), greeting.data(), greeting.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(greeting.size()))
      attempt.fail(ECONNRESET);
    attempt.greeted = true;
    return false;
  }
  char answer;
  const ssize_t got = ::recv(attempt.socket.get(), &answer, 1, 0);
  if (got == 0) attempt.fail(ECONNRESET);
  if (got < 0 && errno != EAGAIN && errno != EINTR) attempt.fail(errno);
  return got == 1;
}

void make_blocking(const FileDescriptor& socket) {
  ::fcntl(socket.get(), F_SETFL, ::fcntl(socket.get(), F_GETFL) & ~O_NONBLOCK);
  const int on = 1;
  setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

}  // namespace

std::vector<NetworkInterface> network_interfaces() {
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) return {};
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(first, freeifaddrs);
  std::vector<NetworkInterface> interfaces;
  for (const ifaddrs* i = first; i; i = i->ifa_next) {
    if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET || !(i->ifa_flags & IFF_UP) || (i->ifa_flags & IFF_LOOPBACK))
      continue;
    char text[INET_ADDRSTRLEN];
    const auto* address = reinterpret_cast<const sockaddr_in*>(i->ifa_addr);
    interfaces.push_back({i->ifa_name, inet_ntop(AF_INET, &address->sin_addr, text, sizeof text)});
  }
  return interfaces;
}

std::string to_string(const std::vector<NetworkInterface>& interfaces) {
  std::string all;
  for (const auto& [name, address] : interfaces) all += cat(all.empty() ? "" : ", ", address, " (", name, ")");
  return all.empty() ? "none" : all;
}

std::string host_name() {
  char name[256] = "";
  ::gethostname(name, sizeof name - 1);
  return name;
}

FileDescriptor connect_any(const std::vector<std::string>& addresses, int port, std::chrono::milliseconds patience,
                           std::span<const std::byte> greeting) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point deadline = Clock::now() + patience;
  std::vector<Attempt> attempts;
  for (const std::string& address : addresses) start(attempts.emplace_back(Attempt{address}), port);

  FileDescriptor winner;
  while (!winner && std::any_of(attempts.begin(), attempts.end(), [](const Attempt& a) { return bool(a.socket); })) {
    std::vector<pollfd> fds;
    for (const Attempt& a : attempts) fds.push_back({a.socket.get(), static_cast<short>(a.greeted ? POLLIN : POLLOUT), 0});
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0 || ::poll(fds.data(), fds.size(), static_cast<int>(left)) == 0) break;
    for (size_t i = 0; i < attempts.size() && !winner; ++i)
      if (fds[i].revents && advance(attempts[i], greeting)) winner = std::move(attempts[i].socket);
  }
  std::string outcomes;
  for (const Attempt& a : attempts) outcomes += cat(outcomes.empty() ? "" : ", ", a.address, ": ", a.outcome);
  if (!winner) throw CommError(cat("port ", port, " could not be reached from host ", host_name(), " (", outcomes, ")"));
  make_blocking(winner);
  return winner;
}

}  // namespace weft
