#pragma once
// Notices a rank that is gone or stopped while the others wait for it: before the model is loaded, while a step runs, while
// nothing does, and while the ranks leave. Every rank has a connection to rank 0 for nothing else, and a thread. Both ends say four
// times a second that they live and how far they are: a connection that closes without a goodbye is noticed at once, silence
// after a while.
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "kernels/core/thread_pool.h"
#include "parallel/file_descriptor.h"

namespace weft {

// How long a rank may say nothing where a stop is to be noticed, told and acted upon within `seconds`.
inline double silence_within(double seconds) { return 0.8 * seconds; }
std::string fell_silent(double seconds);  // what the sentence about a rank says behind its name

// A rank that is gone, or silent.
struct LostRank {
  int rank;
  bool silent;           // its host may be out of reach
  std::string sentence;  // names the rank and its host
};

class RankWatch {
 public:
  struct Peer {
    int rank;
    std::string host;
    FileDescriptor socket;
  };

  // All are called on the watch's thread.
  struct Tell {
    std::function<void(const LostRank&)> lost;                      // once, and the watch is over
    std::function<void(uint64_t progress)> beat = [](uint64_t) {};  // changes while this rank or a peer computes
    std::function<uint64_t()> progress = [] { return parallel_regions.load(); };  // of this rank
  };

  // Watches from now on. peers: on rank 0 every other rank, on the others rank 0.
  RankWatch(std::vector<Peer> peers, double silence_s, Tell tell);
  ~RankWatch();  // says goodbye
  RankWatch(const RankWatch&) = delete;
  RankWatch& operator=(const RankWatch&) = delete;

  // Replaces who is told; no call to the former ones is under way when this returns.
  void tell(Tell tell);

 private:
  void watch(double silence_s);
  void send(uint64_t word) const;

  const std::vector<Peer> peers_;
  const FileDescriptor stop_;  // an eventfd
  std::mutex mutex_;
  Tell tell_;           // guarded by mutex_
  std::thread thread_;  // last: it uses the others
};

}  // namespace weft
