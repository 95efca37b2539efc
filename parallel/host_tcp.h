#pragma once
// The control plane between processes: a star of TCP connections around rank 0. A waiting rank sleeps in
// poll(), where an idle MPI call would burn a core.
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "parallel/communicator.h"
#include "parallel/network.h"
#include "parallel/rank_watch.h"

namespace weft {

// A rank's connections: for the control plane, and those to be watched.
struct HostLink {
  std::unique_ptr<HostComm> comm;
  std::vector<RankWatch::Peer> watched;
};

// Rank 0's end before the others have come.
class HostListener {
 public:
  // Listens on a free port: of this machine's IPv4 interfaces if ranks of other machines come, else of loopback.
  explicit HostListener(bool other_machines);
  ~HostListener();
  HostListener(const HostListener&) = delete;
  HostListener& operator=(const HostListener&) = delete;

  // "port token host address...", for the other ranks alone: whoever shows the token is let in.
  std::string invitation() const;
  // Waits for ranks 1 .. size - 1; strangers are turned away. CommError names the ranks that do not come in time.
  HostLink accept(int size, std::chrono::milliseconds patience = std::chrono::seconds(15));

 private:
  int port() const;

  std::string token_;
  std::vector<NetworkInterface> interfaces_;
  int socket_ = -1;
};

// Another rank's end. It tries every address of the invitation.
HostLink join_host(const std::string& invitation, int rank, int size);

}  // namespace weft
