#include "parallel/ipv4_networks.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <memory>

namespace weft {

bool Ipv4Networks::add(const std::string& network) {
  const size_t slash = std::min(network.find('/'), network.size());
  int bits = 32;
  if (slash < network.size()) {
    const char *begin = network.data() + slash + 1, *end = network.data() + network.size();
    const auto [stopped, error] = std::from_chars(begin, end, bits);
    if (error != std::errc() || stopped != end || bits < 0 || bits > 32) return false;
  }
  in_addr address{};
  if (inet_pton(AF_INET, network.substr(0, slash).c_str(), &address) != 1) return false;
  const uint32_t mask = bits == 0 ? 0 : ~uint32_t{0} << (32 - bits);
  networks_.push_back({ntohl(address.s_addr) & mask, mask});
  return true;
}

void Ipv4Networks::add_host(const std::string& name) {
  addrinfo hints{};
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* first = nullptr;
  if (::getaddrinfo(name.c_str(), nullptr, &hints, &first) != 0) return;
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(first, freeaddrinfo);
  for (const addrinfo* one = first; one; one = one->ai_next)
    networks_.push_back({ntohl(reinterpret_cast<const sockaddr_in*>(one->ai_addr)->sin_addr.s_addr), ~uint32_t{0}});
}

bool Ipv4Networks::contains(uint32_t address) const {
  return std::any_of(networks_.begin(), networks_.end(),
                     [&](const Network& network) { return (ntohl(address) & network.mask) == network.address; });
}

}  // namespace weft
