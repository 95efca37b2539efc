#pragma once
// Notices a rank that is gone or stopped while the others wait for it. Every rank has a connection to rank 0 for nothing else,
// and a thread: ranks tell rank 0 twice a second that they live and how far they are; a connection that closes is noticed at
// once, silence after a while. Works before the model is loaded, while a step runs and while nothing does.
#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace weft {

class RankWatch {
 public:
  // sockets: on rank 0 the connection of rank r at r - 1, on the others only rank 0's; owned from now on.
  RankWatch(int rank, std::vector<int> sockets);
  // Stops, and closes the connections: to ranks that still watch this looks like a death.
  ~RankWatch();
  RankWatch(const RankWatch&) = delete;
  RankWatch& operator=(const RankWatch&) = delete;

  struct Tell {
    std::function<uint64_t()> progress;             // of this rank; changes while it computes
    std::function<void(uint64_t progress)> beat;    // rank 0, twice a second; changes while any rank computes
    std::function<void(const std::string&)> lost;   // a sentence that names the rank; once, then nothing is told any more
  };
  // The functions are called on a thread of the watch. silence_s: how long a rank may say nothing.
  void start(Tell tell, double silence_s);
  // Before the ranks leave one after the other. The connections stay open.
  void stop();

 private:
  void watch_ranks(const Tell& tell, double silence_s);
  void report_to_rank_0(const Tell& tell);

  const int rank_;
  const std::vector<int> sockets_;
  int stop_;  // an eventfd
  std::thread thread_;
};

}  // namespace weft
