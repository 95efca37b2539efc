#pragma once
// The control plane between processes: a star of TCP connections around rank 0. A waiting rank sleeps in
// poll(), where an idle MPI call would burn a core.
#include <chrono>
#include <memory>
#include <vector>

#include "parallel/communicator.h"
#include "parallel/job_listener.h"
#include "parallel/rank_watch.h"

namespace weft {

// A rank's connections: for the control plane, and those to be watched.
struct HostLink {
  std::unique_ptr<HostComm> comm;
  std::vector<RankWatch::Peer> watched;
};

// Rank 0's end: waits for ranks 1 .. size - 1, while strangers are turned away. CommError names the ranks that do not come in time.
HostLink accept_ranks(JobListener& listener, int size, std::chrono::milliseconds patience = std::chrono::seconds(15));

// Another rank's end.
HostLink join_host(const Invitation& invitation, int rank, int size);

}  // namespace weft
