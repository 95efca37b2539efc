#pragma once
// A set of IPv4 addresses.
#include <cstdint>
#include <string>
#include <vector>

namespace weft {

class Ipv4Networks {
 public:
  // "10.0.0.7" or "10.0.0.0/24". False: it is neither.
  bool add(const std::string& network);
  // All addresses of a host's name, as this machine resolves it; none if it does not.
  void add_host(const std::string& name);
  bool contains(uint32_t address) const;  // of four bytes as in_addr has them

 private:
  struct Network {
    uint32_t address, mask;  // in host byte order
  };
  std::vector<Network> networks_;
};

}  // namespace weft
