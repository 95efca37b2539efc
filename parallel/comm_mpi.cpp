// Ranks as processes started by mpirun: tensors by MPI, the control plane by TCP (host_tcp.h). The only file
// that knows MPI. No call blocks inside MPI: an operation is started, then tested until it is done, so that a
// waiting rank yields its CPU, falls asleep, and hears an abort.
#include <cstdlib>

#include "kernels/core/check.h"
#include "kernels/core/log.h"
#include "kernels/core/wait.h"
#include "parallel/communicator.h"

#ifdef WEFT_HAVE_MPI
#include <mpi.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <exception>
#include <numeric>
#include <sstream>
#include <thread>

#include "parallel/host_tcp.h"
#include "parallel/open_mpi.h"
#endif

namespace weft {

#ifndef WEFT_HAVE_MPI

RankComm mpi_rank(double, std::function<void(const LostRank&)>) {
  bad_input("this build has no MPI (WEFT_MPI=OFF): start one process without mpirun");
}
void abort_job(int code) {
  finish_log();
  std::_Exit(code);
}

#else

namespace {

constexpr int kText = 2048;               // bytes of a machine's addresses: some 120
constexpr int64_t kMaxMessage = 1 << 30;  // MPI counts are int: longer pieces travel as several messages

void check(int error) {
  if (error == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  MPI_Error_string(error, text, &length);
  throw CommError(std::string("MPI: ") + text);
}

// Counts and offsets of all_to_all_v in units of an MPI type: bytes, or where an int cannot hold them, the
// largest piece that divides every count (a row or more).
class Layout {
 public:
  explicit Layout(std::span<const int64_t> counts) {
    const int64_t total = std::accumulate(counts.begin(), counts.end(), int64_t{0});
    int64_t unit = 1;
    if (total > INT_MAX) {
      unit = std::accumulate(counts.begin(), counts.end(), int64_t{0}, std::gcd<int64_t, int64_t>);
      while (unit > INT_MAX) unit = unit % 2 == 0 ? unit / 2 : 1;
      if (total / unit > INT_MAX)
        throw CommError(cat("an exchange of ", total, " bytes in pieces of ", unit, " is too large for MPI"));
      check(MPI_Type_contiguous(static_cast<int>(unit), MPI_BYTE, &type));
      check(MPI_Type_commit(&type));
    }
    int64_t offset = 0;
    for (const int64_t count : counts) {
      this->counts.push_back(static_cast<int>(count / unit));
      offsets.push_back(static_cast<int>(offset / unit));
      offset += count;
    }
  }
  ~Layout() {
    if (type != MPI_BYTE) MPI_Type_free(&type);
  }
  Layout(const Layout&) = delete;
  Layout& operator=(const Layout&) = delete;

  MPI_Datatype type = MPI_BYTE;
  std::vector<int> counts, offsets;
};

class MpiCommunicator final : public Communicator {
 public:
  MpiCommunicator() {
    check(MPI_Comm_dup(MPI_COMM_WORLD, &comm_));
    check(MPI_Comm_dup(MPI_COMM_WORLD, &alarm_));
    check(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN));
    check(MPI_Comm_set_errhandler(alarm_, MPI_ERRORS_RETURN));
    check(MPI_Comm_rank(comm_, &rank_));
    check(MPI_Comm_size(comm_, &size_));
    check(MPI_Irecv(alarm_text_, sizeof alarm_text_ - 1, MPI_CHAR, MPI_ANY_SOURCE, 0, alarm_, &alarm_request_));
  }

  // MPI_Finalize waits for all ranks; they come only if all is well.
  ~MpiCommunicator() override {
    if (std::uncaught_exceptions() > 0) abort(cat("rank ", rank_, " ended with an error"));
    if (!aborted_.empty()) return;
    MPI_Cancel(&alarm_request_);
    MPI_Wait(&alarm_request_, MPI_STATUS_IGNORE);
    MPI_Comm_free(&alarm_);
    MPI_Comm_free(&comm_);
    MPI_Finalize();
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  // Direct messages: for the 2 to 20 KB of a decode step MPI's own all-gathers start later.
  void all_gather_v(std::span<std::byte> recv, std::span<const std::byte> send, std::span<const int64_t> counts) override {
    check_all_gather(recv, send, counts);
    requests_.clear();
    std::byte* piece = recv.data();
    for (int peer = 0; peer < size_; piece += counts[peer++]) {
      if (peer != rank_) {
        post(counts[peer], [&](int64_t at, int bytes, MPI_Request* request) {
          return MPI_Irecv(piece + at, bytes, MPI_BYTE, peer, 0, comm_, request);
        });
      } else if (!send.empty()) {
        std::memcpy(piece, send.data(), send.size());
      }
    }
    for (int peer = 0; peer < size_; ++peer) {
      if (peer == rank_) continue;
      post(counts[rank_], [&](int64_t at, int bytes, MPI_Request* request) {
        return MPI_Isend(send.data() + at, bytes, MPI_BYTE, peer, 0, comm_, request);
      });
    }
    wait();
    traffic_.all_gather += counts[rank_] * (size_ - 1);
  }

  void all_to_all_v(std::span<std::byte> recv, std::span<const int64_t> recv_counts, std::span<const std::byte> send,
                    std::span<const int64_t> send_counts) override {
    check_all_to_all(recv, recv_counts, send, send_counts);
    const Layout to(send_counts), from(recv_counts);
    requests_.assign(1, MPI_REQUEST_NULL);
    throw_if_aborted();
    // Open MPI takes equal addresses for MPI_IN_PLACE, and an empty buffer may lie where the other one
    // begins.
    std::byte nothing[2];
    check(MPI_Ialltoallv(send.empty() ? &nothing[0] : send.data(), to.counts.data(), to.offsets.data(), to.type,
                         recv.empty() ? &nothing[1] : recv.data(), from.counts.data(), from.offsets.data(), from.type, comm_,
                         &requests_[0]));
    wait();
    traffic_.all_to_all += static_cast<int64_t>(send.size()) - send_counts[rank_];
  }

  void broadcast(std::span<std::byte> data, int root) override {
    requests_.clear();
    post(static_cast<int64_t>(data.size()), [&](int64_t at, int bytes, MPI_Request* request) {
      return MPI_Ibcast(data.data() + at, bytes, MPI_BYTE, root, comm_, request);
    });
    wait();
    if (rank_ == root) traffic_.broadcast += static_cast<int64_t>(data.size()) * (size_ - 1);
  }

  void abort(const std::string& reason) override {
    if (!aborted_.empty()) return;
    aborted_ = reason.empty() ? "aborted" : reason;
    std::vector<MPI_Request> sends(size_, MPI_REQUEST_NULL);
    const int bytes = static_cast<int>(std::min(aborted_.size(), sizeof alarm_text_ - 1));
    for (int peer = 0; peer < size_; ++peer) {
      if (peer != rank_) MPI_Isend(aborted_.data(), bytes, MPI_CHAR, peer, 0, alarm_, &sends[peer]);
    }
    // They leave at once or never: a peer that has ended cannot be told.
    poll_awake([&] {
      int done = 0;
      MPI_Testall(size_, sends.data(), &done, MPI_STATUSES_IGNORE);
      return done != 0;
    });
  }

 private:
  // Starts start(offset, bytes, request) for `bytes` in pieces that an int can count.
  template <class Start>
  void post(int64_t bytes, const Start& start) {
    throw_if_aborted();
    for (int64_t at = 0; at < bytes; at += kMaxMessage) {
      requests_.push_back(MPI_REQUEST_NULL);
      check(start(at, static_cast<int>(std::min(kMaxMessage, bytes - at)), &requests_.back()));
    }
  }

  void wait() {
    const auto done = [&] {
      int all = 0;
      check(MPI_Testall(static_cast<int>(requests_.size()), requests_.data(), &all, MPI_STATUSES_IGNORE));
      return all != 0;
    };
    if (poll_awake(done)) return;
    constexpr int kYields = 1000;
    for (int turn = 0; !done(); ++turn) {
      hear_alarm();
      throw_if_aborted();
      if (turn < kYields) {
        sched_yield();
      } else {
        std::this_thread::sleep_for(std::chrono::microseconds(50));
      }
    }
  }

  void hear_alarm() {
    int rung = 0;
    MPI_Status status;
    check(MPI_Test(&alarm_request_, &rung, &status));
    if (!rung) return;
    int bytes = 0;
    MPI_Get_count(&status, MPI_CHAR, &bytes);
    aborted_.assign(alarm_text_, static_cast<size_t>(bytes));
  }

  void throw_if_aborted() const {
    if (!aborted_.empty()) throw CommError(aborted_);
  }

  MPI_Comm comm_ = MPI_COMM_NULL, alarm_ = MPI_COMM_NULL;
  int rank_ = 0, size_ = 1;
  std::vector<MPI_Request> requests_;
  MPI_Request alarm_request_ = MPI_REQUEST_NULL;
  char alarm_text_[512];
  std::string aborted_;  // why, once it is
};

// A text of every rank, on rank 0; before there is a HostComm.
std::vector<std::string> gather_on_rank_0(const std::string& text, int size) {
  std::vector<char> mine(kText), all(kText * size);
  text.copy(mine.data(), kText - 1);
  MPI_Gather(mine.data(), kText, MPI_CHAR, all.data(), kText, MPI_CHAR, 0, MPI_COMM_WORLD);
  std::vector<std::string> texts;
  for (int rank = 0; rank < size; ++rank) texts.push_back(&all[rank * kText]);
  return texts;
}

std::string own_addresses() {
  std::string all;
  for (const NetworkInterface& interface : network_interfaces()) all += interface.address + ' ';
  return all;
}

// Every rank knows the addresses it may come from.
JobListener listen_for_ranks(int size, bool other_machines) {
  if (!other_machines) return JobListener();
  Ipv4Networks theirs;
  for (const std::string& addresses : gather_on_rank_0(own_addresses(), size)) {
    std::istringstream list(addresses);
    for (std::string address; list >> address;) theirs.add(address);
  }
  return JobListener(theirs, "of a machine of this job");
}

HostLink connect_hosts(int rank, int size, bool other_machines) {
  char text[kText] = {};
  if (rank != 0) {
    if (other_machines) gather_on_rank_0(own_addresses(), size);
    MPI_Bcast(text, sizeof text, MPI_CHAR, 0, MPI_COMM_WORLD);
    Invitation invitation;
    std::istringstream(text) >> invitation.token >> invitation.host >> invitation.address;
    return join_host(invitation, rank, size);
  }
  JobListener listener = listen_for_ranks(size, other_machines);
  const auto& [address, token, host] = listener.invitation();
  cat(token, ' ', host, ' ', address).copy(text, sizeof text - 1);
  MPI_Bcast(text, sizeof text, MPI_CHAR, 0, MPI_COMM_WORLD);
  return accept_ranks(listener, size);
}

// One byte from every rank to every other, the first messages of all. On a network that does not lead to its peer MPI would wait
// for minutes or for ever.
void check_that_ranks_reach_each_other() {
  constexpr std::chrono::seconds kPatience(10);
  int rank = 0, size = 1;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  std::vector<char> sent(size), received(size);
  const auto fail = [&](const std::string& what) {
    throw CommError(cat("rank ", rank, " on host ", host_name(), ' ', what, "; MPI uses ", mpi_interfaces(),
                        "; choose the network that connects all hosts by mpirun's --mca btl_tcp_if_include NETWORK/BITS "
                        "(of weft serve: --mpirun-args=\"--mca ...\")"));
  };
  MPI_Request exchange;
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  if (MPI_Ialltoall(sent.data(), 1, MPI_CHAR, received.data(), 1, MPI_CHAR, MPI_COMM_WORLD, &exchange) != MPI_SUCCESS)
    fail("shares no network with another rank");
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  for (int done = 0; !done; std::this_thread::sleep_for(std::chrono::microseconds(50))) {
    check(MPI_Test(&exchange, &done, MPI_STATUS_IGNORE));
    if (!done && std::chrono::steady_clock::now() > deadline)
      fail(cat("hears nothing from another rank for ", kPatience.count(), " s"));
  }
}

}  // namespace

RankComm mpi_rank(double silence_s, std::function<void(const LostRank&)> lost) {
  prepare_open_mpi();
  int provided = 0;
  check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided));
  if (provided < MPI_THREAD_FUNNELED) throw CommError("this MPI does not support MPI_THREAD_FUNNELED");
  check_that_ranks_reach_each_other();
  RankComm ranks;
  ranks.tensors = std::make_unique<MpiCommunicator>();
  MPI_Comm machine;
  check(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &machine));
  MPI_Comm_rank(machine, &ranks.local_rank);
  MPI_Comm_size(machine, &ranks.local_size);
  MPI_Comm_free(&machine);
  HostLink link = connect_hosts(ranks.tensors->rank(), ranks.tensors->size(), ranks.local_size < ranks.tensors->size());
  ranks.host = std::move(link.comm);
  ranks.watch = std::make_unique<RankWatch>(std::move(link.watched), silence_s, RankWatch::Tell{.lost = std::move(lost)});
  return ranks;
}

void abort_job(int code) {
  finish_log();
  int initialised = 0, finalised = 0;
  MPI_Initialized(&initialised);
  MPI_Finalized(&finalised);
  if (initialised && !finalised) MPI_Abort(MPI_COMM_WORLD, code);
  std::_Exit(code);
}

#endif

}  // namespace weft
