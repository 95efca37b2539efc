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
#include <cstring>
#include <exception>
#include <sstream>
#include <thread>

#include "parallel/bytes.h"
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

// What all communicators of this process share: the alarm of abort(), and the end of MPI.
class MpiJob {
 public:
  MpiJob() {
    check(MPI_Comm_dup(MPI_COMM_WORLD, &alarm_));
    check(MPI_Comm_set_errhandler(alarm_, MPI_ERRORS_RETURN));
    check(MPI_Comm_rank(alarm_, &rank_));
    check(MPI_Comm_size(alarm_, &size_));
    check(MPI_Irecv(text_, sizeof text_ - 1, MPI_CHAR, MPI_ANY_SOURCE, 0, alarm_, &request_));
  }

  // MPI_Finalize waits for all ranks; they come only if all is well.
  ~MpiJob() {
    if (aborted()) return;
    MPI_Cancel(&request_);
    MPI_Wait(&request_, MPI_STATUS_IGNORE);
    MPI_Comm_free(&alarm_);
    MPI_Finalize();
  }
  MpiJob(const MpiJob&) = delete;
  MpiJob& operator=(const MpiJob&) = delete;

  int rank() const { return rank_; }
  bool aborted() const { return !reason_.empty(); }

  void throw_if_aborted() const {
    if (aborted()) throw CommError(reason_);
  }

  void hear() {
    int rung = 0;
    MPI_Status status;
    check(MPI_Test(&request_, &rung, &status));
    if (!rung) return;
    int bytes = 0;
    MPI_Get_count(&status, MPI_CHAR, &bytes);
    reason_.assign(text_, static_cast<size_t>(bytes));
  }

  void abort(const std::string& reason) {
    if (aborted()) return;
    reason_ = reason.empty() ? "aborted" : reason;
    std::vector<MPI_Request> sends(size_, MPI_REQUEST_NULL);
    const int bytes = static_cast<int>(std::min(reason_.size(), sizeof text_ - 1));
    for (int peer = 0; peer < size_; ++peer) {
      if (peer != rank_) MPI_Isend(reason_.data(), bytes, MPI_CHAR, peer, 0, alarm_, &sends[peer]);
    }
    // They leave at once or never: a peer that has ended cannot be told.
    poll_awake([&] {
      int done = 0;
      MPI_Testall(size_, sends.data(), &done, MPI_STATUSES_IGNORE);
      return done != 0;
    });
  }

 private:
  MPI_Comm alarm_ = MPI_COMM_NULL;
  MPI_Request request_ = MPI_REQUEST_NULL;
  int rank_ = 0, size_ = 1;
  char text_[512];
  std::string reason_;  // why it was aborted, once it is
};

class MpiCommunicator final : public Communicator {
 public:
  // Takes over `comm`.
  MpiCommunicator(MPI_Comm comm, std::shared_ptr<MpiJob> job) : job_(std::move(job)), comm_(comm) {
    check(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN));
    check(MPI_Comm_rank(comm_, &rank_));
    check(MPI_Comm_size(comm_, &size_));
  }

  ~MpiCommunicator() override {
    if (std::uncaught_exceptions() > 0) job_->abort(cat("rank ", job_->rank(), " ended with an error"));
    if (!job_->aborted()) MPI_Comm_free(&comm_);
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  void broadcast(std::span<std::byte> data, int root) override {
    begin();
    post(std::ssize(data), [&](int64_t at, int bytes, MPI_Request* request) {
      return MPI_Ibcast(data.data() + at, bytes, MPI_BYTE, root, comm_, request);
    });
    wait();
    if (rank_ == root) traffic_.broadcast += std::ssize(data) * (size_ - 1);
  }

  void send(Tensor data, int to) override {
    begin();
    post_send(bytes(data), data.bytes(), to, kPointToPoint);
    wait();
    traffic_.point_to_point += data.bytes();
  }

  void recv(Tensor data, int from) override {
    begin();
    post_recv(bytes(data), from, kPointToPoint);
    wait();
  }

  // Waits inside MPI for all ranks.
  std::unique_ptr<Communicator> split(std::span<const int> members) override {
    MPI_Comm group;
    check(MPI_Comm_split(comm_, members[0], place_in(members), &group));
    auto communicator = std::make_unique<MpiCommunicator>(group, job_);
    if (communicator->size() != std::ssize(members)) throw CommError("split: ranks disagree on the members");
    return communicator;
  }

  void abort(const std::string& reason) override { job_->abort(reason); }

 private:
  static constexpr int kCollective = 0, kPointToPoint = 1;  // tags

  // Direct messages: for the 2 to 20 KB of a decode step MPI's own collectives start later.
  void exchange(std::span<const Piece> recv, std::span<const SentPiece> send, Fit fit) override {
    begin();
    for (int peer = 0; peer < size_; ++peer)
      if (peer != rank_) post_recv(recv[static_cast<size_t>(peer)], peer, kCollective);
    for (int peer = 0; peer < size_; ++peer) {
      const SentPiece piece = send[static_cast<size_t>(peer)];
      if (peer != rank_) {
        post_send(piece, fit == Fit::exact ? std::ssize(piece) : std::ssize(recv[static_cast<size_t>(peer)]), peer,
                  kCollective);
      } else if (!piece.empty()) {
        std::memcpy(recv[static_cast<size_t>(peer)].data(), piece.data(), piece.size());
      }
    }
    wait();
  }

  void begin() {
    requests_.clear();
    job_->throw_if_aborted();
  }

  // Starts start(offset, bytes, request) for `bytes` in messages that an int can count.
  template <class Start>
  void post(int64_t bytes, const Start& start) {
    for (int64_t at = 0; at < bytes; at += kMaxMessage) {
      requests_.push_back(MPI_REQUEST_NULL);
      check(start(at, static_cast<int>(std::min(kMaxMessage, bytes - at)), &requests_.back()));
    }
  }

  void post_recv(Piece piece, int peer, int tag) {
    post(std::ssize(piece), [&](int64_t at, int bytes, MPI_Request* request) {
      return MPI_Irecv(piece.data() + at, bytes, MPI_BYTE, peer, tag, comm_, request);
    });
  }

  // As many messages as the receiver expects, who has room for `room` bytes.
  void post_send(SentPiece piece, int64_t room, int peer, int tag) {
    post(room, [&](int64_t at, int bytes, MPI_Request* request) {
      const int64_t begin = std::min(at, std::ssize(piece)), size = std::min<int64_t>(bytes, std::ssize(piece) - begin);
      return MPI_Isend(piece.data() + begin, static_cast<int>(size), MPI_BYTE, peer, tag, comm_, request);
    });
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
      job_->hear();
      job_->throw_if_aborted();
      if (turn < kYields) {
        sched_yield();
      } else {
        std::this_thread::sleep_for(std::chrono::microseconds(50));
      }
    }
  }

  const std::shared_ptr<MpiJob> job_;
  MPI_Comm comm_;
  int rank_ = 0, size_ = 1;
  std::vector<MPI_Request> requests_;
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
  MPI_Comm world;
  check(MPI_Comm_dup(MPI_COMM_WORLD, &world));
  ranks.tensors = std::make_unique<MpiCommunicator>(world, std::make_shared<MpiJob>());
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
