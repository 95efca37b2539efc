#include "kernels/core/cpu_claim.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <string>

namespace weft {
namespace {

// -1: somebody holds it, or there are no such sockets here.
int hold(int cpu) {
  const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return -1;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = "weft-cpu-" + std::to_string(cpu);
  std::memcpy(address.sun_path + 1, name.data(), name.size());  // behind a zero: abstract
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  if (::bind(socket, reinterpret_cast<const sockaddr*>(&address), length) == 0) return socket;
  ::close(socket);
  return -1;
}

}  // namespace

CpuClaim::CpuClaim(std::span<const int> candidates, int n) {
  for (const int cpu : candidates) {
    if (static_cast<int>(cpus_.size()) == n) return;
    const int socket = hold(cpu);
    if (socket < 0) continue;
    cpus_.push_back(cpu);
    sockets_.push_back(socket);
  }
  if (static_cast<int>(cpus_.size()) < n) *this = {};
}

CpuClaim& CpuClaim::operator=(CpuClaim&& other) noexcept {
  CpuClaim old;
  old.swap(*this);
  swap(other);
  return *this;
}

CpuClaim::~CpuClaim() {
  for (const int socket : sockets_) ::close(socket);
}

void CpuClaim::swap(CpuClaim& other) noexcept {
  cpus_.swap(other.cpus_);
  sockets_.swap(other.sockets_);
}

}  // namespace weft
