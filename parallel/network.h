#pragma once
// This machine's networks, and a connection to another machine over whichever of them leads there.
#include <chrono>
#include <span>
#include <string>
#include <vector>

#include "parallel/file_descriptor.h"

namespace weft {

struct NetworkInterface {
  std::string name, address;  // eth0, IPv4
};

// Those that are up, without loopback; an interface with several addresses appears several times.
std::vector<NetworkInterface> network_interfaces();
std::string to_string(const std::vector<NetworkInterface>& interfaces);  // "10.0.0.1 (eth0), 172.17.0.1 (docker0)"
std::string host_name();

// A blocking TCP connection to `port` of the first of these addresses that takes it; all are tried at once, since not every
// address of a machine can be reached from every other, and some are those of a third. With a `greeting` the first that
// answers it with one byte counts, and the byte is taken. CommError after `patience` names each
// address and what became of it.
FileDescriptor connect_any(const std::vector<std::string>& addresses, int port, std::chrono::milliseconds patience,
                           std::span<const std::byte> greeting = {});

}  // namespace weft
