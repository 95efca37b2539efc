#pragma once
// Tensors between ranks. Every method is a collective unless it says otherwise: all ranks of the communicator call it in the same
// order, ranks with nothing to give take part with zero bytes. Buffers are bytes of this rank's device; send
// and receive must not overlap. A failed peer or abort() on any rank makes the call throw CommError on every
// rank; no call waits for ever for a rank that said abort(). Waits yield the CPU.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/core/tensor.h"
#include "parallel/rank_watch.h"

namespace weft {

class CommError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;

  // recv = the pieces of ranks 0, 1, ... in order; piece r has counts[r] bytes on every rank; send has
  // counts[rank()].
  void all_gather_v(std::span<std::byte> recv, std::span<const std::byte> send, std::span<const int64_t> counts);
  // send holds send_counts[r] bytes for each rank r in order; recv gets recv_counts[r] bytes from each rank r
  // in order.
  void all_to_all_v(std::span<std::byte> recv, std::span<const int64_t> recv_counts, std::span<const std::byte> send,
                    std::span<const int64_t> send_counts);
  virtual void broadcast(std::span<std::byte> data, int root) = 0;

  // Tensors, contiguous and of one shape on every rank: no address and no size hangs on a value.
  // recv (size, ...) = `send` (...) of ranks 0, 1, ...
  void all_gather(Tensor recv, Tensor send);
  // Where values decide how many rows travel they have fixed places. counts: (size) i32, each at most `capacity`; rows of recv
  // beyond a count are left alone. rows of recv[r] = the first counts[r] rows of rank r's `send`.
  //   recv: (size, capacity, n)   send: (capacity, n)   counts: equal on all ranks
  void all_gather_v(Tensor recv, Tensor send, Tensor counts);
  // The first counts[r] rows of send[r] become the first rows of rank r's recv[rank()].
  //   recv, send: (size, capacity, n)   counts: of this rank's `send`
  void all_to_all_v(Tensor recv, Tensor send, Tensor counts);

  // From one rank to another, which calls recv() with a tensor of as many bytes. Not collective; returns when `data` may be
  // written again, which may be no sooner than the other rank calls.
  virtual void send(Tensor data, int to) = 0;
  virtual void recv(Tensor data, int from) = 0;

  // A communicator of `members`, ranks of this one, of whom rank i is members[i]. A collective: every rank names the one group that it
  // belongs to. abort() on any of them ends all of the job.
  virtual std::unique_ptr<Communicator> split(std::span<const int> members) = 0;

  // Makes every waiting and later call on every rank throw CommError(reason).
  virtual void abort(const std::string& reason) = 0;

  // Bytes this rank sent to other ranks since start, by operation: what an experiment reports.
  struct Traffic {
    int64_t all_gather = 0, all_to_all = 0, broadcast = 0, point_to_point = 0;
  };
  const Traffic& traffic() const { return traffic_; }

 protected:
  using Piece = std::span<std::byte>;
  using SentPiece = std::span<const std::byte>;
  // recv[r] gets what rank r's send[rank()] holds; both have an entry a rank. exact: as many bytes. at_most: the pieces of recv have
  // one size on all ranks, and their beginning is filled.
  enum class Fit : uint8_t { exact, at_most };
  virtual void exchange(std::span<const Piece> recv, std::span<const SentPiece> send, Fit fit) = 0;
  virtual bool is_dry() const { return false; }
  int place_in(std::span<const int> members) const;  // of this rank
  Traffic traffic_;

 private:
  int64_t sent_elsewhere(std::span<const SentPiece> send) const;  // bytes
};

// Every call returns at once and moves nothing: for dry runs (Arena::measuring()), which have nothing to move.
std::unique_ptr<Communicator> dry_communicator(int rank, int size);

// The control plane: small values between processes' hosts. Idle ranks block in receive() on a futex or
// socket and use no CPU; after a message they spin for a bounded time first, since in a busy engine the next
// plan is microseconds away.
class HostComm {
 public:
  virtual ~HostComm() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual void publish(std::span<const std::byte> message) = 0;  // rank 0 only: to every other rank, in order
  virtual std::vector<std::byte> receive() = 0;                  // other ranks only: the next message
  virtual std::vector<std::string> all_gather(const std::string& value) = 0;
  virtual void barrier() = 0;
};

// Both halves of one rank's connection, and where it sits.
struct RankComm {
  std::unique_ptr<RankWatch> watch;  // of processes; null for threads. First: it watches until all ranks have left MPI
  std::unique_ptr<Communicator> tensors;
  std::unique_ptr<HostComm> host;
  int local_rank = 0, local_size = 1;  // among the ranks of this machine
};

// N ranks in one process: element r is for the thread that plays rank r.
std::vector<RankComm> thread_ranks(int n);

// Whether this process is one of several ranks that mpirun (or srun with PMIx) started, and which; rank 0 when it is not.
bool under_mpi_launcher();
int launched_rank();
// Initialises MPI (MPI_THREAD_FUNNELED); only if under_mpi_launcher(). From here to the end of the RankComm a rank that dies, or is
// silent for `silence_s`, is told to `lost` (RankWatch). Calls that wait for that rank then need not return: `lost` has to see to the
// end of this process.
RankComm mpi_rank(double silence_s, std::function<void(const LostRank&)> lost);
RankComm single_rank();
// Ends the whole job with `code`: MPI_Abort if MPI is up, else std::_Exit. Any thread.
[[noreturn]] void abort_job(int code);

}  // namespace weft
