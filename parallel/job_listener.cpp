#include "parallel/job_listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstring>
#include <sstream>
#include <vector>

#include "kernels/core/check.h"
#include "kernels/core/log.h"
#include "parallel/communicator.h"
#include "parallel/network.h"
#include "parallel/poll_until.h"

namespace weft {
namespace {

constexpr double kHelloTimeout = 1;  // seconds
constexpr std::chrono::seconds kEnterTimeout{10};
constexpr size_t kMaxStrangers = 256, kMaxRefusedTold = 100;
constexpr size_t kTokenChars = 32, kHostChars = 64;

// The first bytes on a connection.
struct Hello {
  char token[kTokenChars];
  int32_t rank;
  Purpose purpose;
  char host[kHostChars];  // ends with a null
};

std::string random_token() {
  unsigned char bytes[kTokenChars / 2];
  WEFT_CHECK(::getrandom(bytes, sizeof bytes, 0) == sizeof bytes, "getrandom failed");
  std::string token;
  for (const unsigned char b : bytes) {
    token += "0123456789abcdef"[b >> 4];
    token += "0123456789abcdef"[b & 15];
  }
  return token;
}

// Time does not depend on where they differ.
bool equal_secret(const char (&a)[kTokenChars], const std::string& b) {
  unsigned difference = 0;
  for (size_t i = 0; i < kTokenChars; ++i) difference |= static_cast<unsigned char>(a[i] ^ b[i]);
  return difference == 0;
}

std::string dotted(uint32_t address) {
  char text[INET_ADDRSTRLEN];
  const in_addr in{address};
  return inet_ntop(AF_INET, &in, text, sizeof text);
}

}  // namespace

// A connection that has not yet said who it is.
struct JobListener::Stranger {
  FileDescriptor socket;
  double until;  // when its time to speak is over
  Hello hello{};
  size_t bytes = 0;  // of hello

  // Takes what has come. True: it knows the token. One that does not, or is gone, is shown the door.
  bool knows(const std::string& token) {
    const ssize_t got = ::recv(socket.get(), reinterpret_cast<char*>(&hello) + bytes, sizeof hello - bytes, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (got > 0 && (bytes += static_cast<size_t>(got)) < sizeof hello) return false;
    const bool known = got > 0 && equal_secret(hello.token, token);
    if (!known) until = 0;
    return known;
  }

  Guest guest() {
    hello.host[kHostChars - 1] = '\0';
    return {std::move(socket), hello.rank, hello.purpose, hello.host};
  }
};

bool Guest::welcome() const {
  const int on = 1;
  setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return ::send(socket.get(), "w", 1, MSG_NOSIGNAL) == 1;
}

JobListener::JobListener() : loopback_only_(true) { listen(INADDR_LOOPBACK); }

JobListener::JobListener(Ipv4Networks others, std::string whose)
    : loopback_only_(false), others_(std::move(others)), whose_(std::move(whose)) {
  listen(INADDR_ANY);
}

JobListener::JobListener(JobListener&&) noexcept = default;
JobListener::~JobListener() = default;

void JobListener::listen(uint32_t where) {
  listener_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(where);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof address;
  if (!listener_ || ::bind(listener_.get(), generic, size) != 0 || ::listen(listener_.get(), SOMAXCONN) != 0 ||
      ::getsockname(listener_.get(), generic, &size) != 0)
    throw CommError(cat("cannot listen for the other processes of the job: ", std::strerror(errno)));
  std::string addresses;
  if (!loopback_only_)
    for (const NetworkInterface& interface : network_interfaces())
      addresses += (addresses.empty() ? "" : ",") + interface.address;
  if (addresses.empty()) addresses = "127.0.0.1";
  invitation_ = {cat(addresses, ':', ntohs(address.sin_port)), random_token(), host_name()};
}

bool JobListener::may_come(uint32_t address) {
  if (loopback_only_ || ntohl(address) >> 24 == IN_LOOPBACKNET || others_.contains(address)) return true;
  const std::string text = dotted(address);
  for (const NetworkInterface& interface : network_interfaces())
    if (interface.address == text) return true;
  if (refused_.size() < kMaxRefusedTold && refused_.insert(address).second)
    log_warn("a connection from ", text, " was refused: that is no address ", whose_);
  return false;
}

void JobListener::take_new_ones() {
  sockaddr_in from{};
  socklen_t size = sizeof from;
  for (FileDescriptor peer;
       peer.reset(::accept4(listener_.get(), reinterpret_cast<sockaddr*>(&from), &size, SOCK_CLOEXEC)), peer;) {
    if (!may_come(from.sin_addr.s_addr)) continue;
    strangers_.push_back({std::move(peer), now_s() + kHelloTimeout});
    if (strangers_.size() > kMaxStrangers) strangers_.pop_front();
  }
}

std::optional<Guest> JobListener::admit(double until, std::initializer_list<int> or_readable) {
  for (bool last = false;;) {
    std::vector<pollfd> fds{{listener_.get(), POLLIN, 0}};
    for (const int fd : or_readable) fds.push_back({fd, POLLIN, 0});
    const size_t others = fds.size();
    for (const Stranger& stranger : strangers_) fds.push_back({stranger.socket.get(), POLLIN, 0});
    poll_until(fds, strangers_.empty() ? until : std::min(until, strangers_.front().until));

    std::optional<Guest> guest;
    for (size_t i = 0; i < strangers_.size() && !guest; ++i) {
      if (!fds[others + i].revents || !strangers_[i].knows(invitation_.token)) continue;
      guest = strangers_[i].guest();
      strangers_[i].until = 0;
    }
    std::erase_if(strangers_, [](const Stranger& stranger) { return stranger.until <= now_s(); });
    if (guest) return guest;
    if (fds[0].revents) take_new_ones();
    // Who came before the end may still be on the way from the listener to the strangers, or have its words unread.
    const bool over = now_s() >= until ||
                      std::any_of(fds.begin() + 1, fds.begin() + others, [](const pollfd& fd) { return fd.revents != 0; });
    if (over && std::exchange(last, true)) return std::nullopt;
  }
}

FileDescriptor enter(const Invitation& invitation, int rank, Purpose purpose) {
  const size_t colon = invitation.address.rfind(':');
  std::istringstream list(invitation.address.substr(0, colon));
  std::vector<std::string> addresses;
  for (std::string address; std::getline(list, address, ',');) addresses.push_back(address);
  uint16_t port = 0;
  const char* end = invitation.address.data() + invitation.address.size();
  if (colon == std::string::npos || std::from_chars(invitation.address.data() + colon + 1, end, port).ec != std::errc())
    bad_input("the address ", invitation.address, " is not ADDRESS,ADDRESS...:PORT");
  Hello hello{.token = {}, .rank = rank, .purpose = purpose, .host = {}};
  invitation.token.copy(hello.token, kTokenChars);
  host_name().copy(hello.host, kHostChars - 1);
  return connect_any(addresses, port, kEnterTimeout, std::as_bytes(std::span(&hello, 1)));
}

}  // namespace weft
