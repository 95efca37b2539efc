// Which networks MPI uses between machines. Open MPI 4 takes any two that look alike: a docker0 with the same address on two
// machines, or a second network that is not connected, and then waits for minutes. mpirun has already found ways to the machines
// of the job, the connections of its daemons; their interfaces are the ones to use.
#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "kernels/core/check.h"
#include "parallel/network.h"
#include "parallel/open_mpi.h"

namespace weft {
namespace {

constexpr const char* kInclude = "OMPI_MCA_btl_tcp_if_include";
constexpr const char* kExclude = "OMPI_MCA_btl_tcp_if_exclude";

// The ports of mpirun in its address: "1.0;tcp://10.0.0.1,10.9.0.1:4711;tcp6://[::1]:4712".
std::vector<int> ports_of(const std::string& uri) {
  std::vector<int> ports;
  std::istringstream parts(uri);
  for (std::string part; std::getline(parts, part, ';');) {
    int port = 0;
    const size_t colon = part.rfind(':') + 1;
    if (colon > 0 && std::from_chars(part.data() + colon, part.data() + part.size(), port).ec == std::errc())
      ports.push_back(port);
  }
  return ports;
}

struct Endpoint {
  std::string address;
  int port = 0;
};

// Of /proc/net/tcp, "0100007F:1F90": the bytes in memory, and the port.
Endpoint parse_endpoint(const std::string& text) {
  in_addr address{static_cast<in_addr_t>(std::strtoul(text.substr(0, 8).c_str(), nullptr, 16))};
  char dotted[INET_ADDRSTRLEN];
  return {inet_ntop(AF_INET, &address, dotted, sizeof dotted),
          static_cast<int>(std::strtoul(text.substr(9).c_str(), nullptr, 16))};
}

}  // namespace

// On mpirun's machine its port is ours, on the others it is the peer's.
std::vector<std::string> interfaces_towards_mpirun(std::istream& proc_net_tcp, const std::string& mpirun_uri,
                                                   const std::vector<NetworkInterface>& interfaces) {
  const std::vector<int> ports = ports_of(mpirun_uri);
  const auto is_mpirun = [&](int port) { return std::find(ports.begin(), ports.end(), port) != ports.end(); };
  std::vector<std::string> names;
  std::string line;
  std::getline(proc_net_tcp, line);  // the heading
  while (std::getline(proc_net_tcp, line)) {
    std::istringstream fields(line);
    std::string number, local, remote, state;
    fields >> number >> local >> remote >> state;
    if (state != "01") continue;  // not established
    const Endpoint here = parse_endpoint(local), there = parse_endpoint(remote);
    if (!is_mpirun(here.port) && !is_mpirun(there.port)) continue;
    for (const auto& [name, address] : interfaces)
      if (address == here.address && std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  return names;
}

void choose_mpi_networks() {
  const char* uri = std::getenv("OMPI_MCA_orte_hnp_uri");
  if (!uri || std::getenv(kInclude) || std::getenv(kExclude)) return;
  std::ifstream connections("/proc/net/tcp");
  std::string list;
  for (const std::string& name : interfaces_towards_mpirun(connections, uri, network_interfaces()))
    list += (list.empty() ? "" : ",") + name;
  if (!list.empty()) setenv(kInclude, list.c_str(), 1);
}

std::string mpi_interfaces() {
  const std::vector<NetworkInterface> all = network_interfaces();
  if (const char* chosen = std::getenv(kInclude)) return cat(chosen, " of ", to_string(all));
  if (const char* excluded = std::getenv(kExclude)) return cat("all but ", excluded, " of ", to_string(all));
  return to_string(all);
}

}  // namespace weft
