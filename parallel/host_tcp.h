#pragma once
// The control plane between processes: a star of TCP connections around rank 0. A waiting rank sleeps in
// poll(), where an idle MPI call would burn a core.
#include <array>
#include <memory>
#include <string>

#include "parallel/communicator.h"

namespace weft {

// Rank 0's end before the others have come.
class HostListener {
 public:
  // Listens on a free port of `local_address`, an IPv4 address of this machine.
  explicit HostListener(const std::string& local_address);
  ~HostListener();
  HostListener(const HostListener&) = delete;
  HostListener& operator=(const HostListener&) = delete;

  // "address port token", for the other ranks alone: whoever shows the token is let in.
  std::string invitation() const;
  // Waits for ranks 1 .. size - 1; strangers are turned away. CommError when a rank does not come within 60
  // s.
  std::unique_ptr<HostComm> accept(int size);

 private:
  std::string local_address_, token_;
  int socket_ = -1;
};

// Another rank's end.
std::unique_ptr<HostComm> join_host(const std::string& invitation, int rank, int size);

// The IPv4 address of this machine on its way to `host_name`.
std::string local_address_towards(const std::string& host_name);

}  // namespace weft
