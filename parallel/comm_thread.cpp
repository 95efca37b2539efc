// Ranks as threads of one process: they read each other's buffers between two barriers.
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>

#include "kernels/core/check.h"
#include "kernels/core/wait.h"
#include "parallel/bytes.h"
#include "parallel/communicator.h"

namespace weft {
namespace {

// A barrier that abort() can end. Epoch, arrivals and the aborted bit share one word, so either all ranks of
// an epoch see it completed or all see it aborted: nobody leaves, and frees the buffer that another rank has
// begun to read.
class Barrier {
 public:
  explicit Barrier(int ranks) : ranks_(static_cast<uint32_t>(ranks)) {}

  // True when all ranks have come; false when the barrier was aborted before (never, if not abortable).
  bool wait(bool abortable) {
    uint32_t word = word_.load(std::memory_order_relaxed), next;
    do {
      if (abortable && (word & kAborted)) return false;
      const bool last = (word & kArrivals) == (ranks_ - 1) * kArrival;
      next = last ? (word & ~kArrivals) + kEpoch : word + kArrival;
    } while (!word_.compare_exchange_weak(word, next, std::memory_order_acq_rel, std::memory_order_relaxed));
    const uint32_t epoch = word / kEpoch;
    if (next / kEpoch != epoch) {
      word_.notify_all();
      return true;
    }
    const auto over = [&] {
      word = word_.load(std::memory_order_acquire);
      return word / kEpoch != epoch || (abortable && (word & kAborted));
    };
    if (!poll_awake(over)) {
      while (!over()) word_.wait(word, std::memory_order_acquire);
    }
    return word / kEpoch != epoch;
  }

  void abort() {
    word_.fetch_or(kAborted, std::memory_order_acq_rel);
    word_.notify_all();
  }

 private:
  static constexpr uint32_t kAborted = 1, kArrival = 2, kEpoch = 1 << 12, kArrivals = kEpoch - kArrival;
  const uint32_t ranks_;
  alignas(64) std::atomic<uint32_t> word_{0};
};

struct Mailbox {
  std::mutex mutex;
  std::condition_variable filled;
  std::deque<std::vector<std::byte>> messages;
  std::atomic<int> waiting{0};  // messages.size(), readable without the lock
};

struct World;

// All groups of one job end together.
class Job {
 public:
  void add(const std::shared_ptr<World>& group);
  void abort(const std::string& why);
  bool aborted() const { return aborted_.load(); }
  [[noreturn]] void throw_aborted() {
    std::lock_guard lock(mutex_);
    throw CommError(reason_);
  }

 private:
  std::mutex mutex_;
  std::string reason_;
  std::atomic<bool> aborted_{false};
  std::vector<std::weak_ptr<World>> groups_;
};

// What one rank shows the others during a collective.
struct Shown {
  std::span<const std::span<const std::byte>> pieces;  // by receiver
  std::shared_ptr<World> group;                        // split(): of its first member
};

// One direction between two ranks.
struct Channel {
  Barrier meet{2};
  std::span<const std::byte> data;
};

// The ranks of one communicator.
struct World {
  World(int ranks, std::shared_ptr<Job> job)
      : tensors(ranks), host(ranks), shown(ranks), values(ranks), mail(ranks), job(std::move(job)) {}

  void wake() {
    tensors.abort();
    host.abort();
    for (Mailbox& box : mail) {
      std::lock_guard lock(box.mutex);
      box.filled.notify_all();
    }
    std::lock_guard lock(channels_mutex);
    for (auto& [ends, channel] : channels) channel.meet.abort();
  }

  Channel& channel(int from, int to) {
    std::lock_guard lock(channels_mutex);
    Channel& channel = channels[{from, to}];
    if (job->aborted()) channel.meet.abort();
    return channel;
  }

  Barrier tensors, host;
  std::vector<Shown> shown;
  std::vector<std::string> values;
  std::vector<Mailbox> mail;
  std::mutex channels_mutex;
  std::map<std::pair<int, int>, Channel> channels;
  const std::shared_ptr<Job> job;
};

void Job::add(const std::shared_ptr<World>& group) {
  {
    std::lock_guard lock(mutex_);
    groups_.push_back(group);
  }
  if (aborted()) group->wake();
}

void Job::abort(const std::string& why) {
  std::vector<std::weak_ptr<World>> groups;
  {
    std::lock_guard lock(mutex_);
    if (!aborted()) reason_ = why;
    aborted_.store(true);
    groups = groups_;
  }
  for (const std::weak_ptr<World>& weak : groups)  // unlocked: a rank may hold a mailbox and ask for the reason
    if (const std::shared_ptr<World> group = weak.lock()) group->wake();
}

class ThreadCommunicator final : public Communicator {
 public:
  ThreadCommunicator(std::shared_ptr<World> world, int rank) : world_(std::move(world)), rank_(rank) {}
  int rank() const override { return rank_; }
  int size() const override { return static_cast<int>(world_->shown.size()); }

  void broadcast(std::span<std::byte> data, int root) override {
    const std::vector<SentPiece> pieces(static_cast<size_t>(size()), data);
    show({pieces, {}}, "broadcast: ranks disagree on the size", [&](int peer, const Shown& shown) {
      const SentPiece piece = shown.pieces[static_cast<size_t>(rank_)];
      if (piece.size() != data.size()) return false;
      if (peer == root && rank_ != root) copy(data, piece);
      return true;
    });
    if (rank_ == root) traffic_.broadcast += static_cast<int64_t>(data.size()) * (size() - 1);
  }

  void send(Tensor data, int to) override {
    Channel& channel = world_->channel(rank_, to);
    channel.data = bytes(data);
    if (!channel.meet.wait(true)) world_->job->throw_aborted();
    channel.meet.wait(false);
    traffic_.point_to_point += data.bytes();
  }

  void recv(Tensor data, int from) override {
    Channel& channel = world_->channel(from, rank_);
    if (!channel.meet.wait(true)) world_->job->throw_aborted();
    const bool agreed = std::ssize(channel.data) == data.bytes();
    if (agreed) copy(bytes(data), channel.data);
    channel.meet.wait(false);
    if (!agreed) end("recv: ranks disagree on the size");
  }

  std::unique_ptr<Communicator> split(std::span<const int> members) override {
    const int place = place_in(members);
    std::shared_ptr<World> group;
    if (place == 0) {
      group = std::make_shared<World>(static_cast<int>(members.size()), world_->job);
      world_->job->add(group);
    }
    show({{}, group}, "split: ranks disagree on the members", [&](int peer, const Shown& shown) {
      if (peer == members[0]) group = shown.group;
      return peer != members[0] || (group && group->shown.size() == members.size());
    });
    return std::make_unique<ThreadCommunicator>(std::move(group), place);
  }

  void abort(const std::string& reason) override { world_->job->abort(reason); }

 private:
  void exchange(std::span<const Piece> recv, std::span<const SentPiece> send, Fit fit) override {
    show({send, {}}, "ranks disagree on what they exchange", [&](int peer, const Shown& shown) {
      const Piece to = recv[static_cast<size_t>(peer)];
      if (shown.pieces.size() != recv.size()) return false;
      const SentPiece from = shown.pieces[static_cast<size_t>(rank_)];
      if (fit == Fit::exact ? from.size() != to.size() : from.size() > to.size()) return false;
      copy(to, from);
      return true;
    });
  }

  // Shows `mine`, runs take(peer, shown) for every rank in order, and keeps the buffers alive until all have taken.
  template <class Take>
  void show(Shown mine, const char* mismatch, const Take& take) {
    world_->shown[static_cast<size_t>(rank_)] = std::move(mine);
    if (!world_->tensors.wait(true)) world_->job->throw_aborted();
    bool agreed = true;
    for (int peer = 0; agreed && peer < size(); ++peer) agreed = take(peer, world_->shown[static_cast<size_t>(peer)]);
    world_->tensors.wait(false);
    if (!agreed) end(mismatch);
  }

  [[noreturn]] void end(const char* why) {
    world_->job->abort(why);
    world_->job->throw_aborted();
  }

  static void copy(Piece to, SentPiece from) {
    if (!from.empty()) std::memcpy(to.data(), from.data(), from.size());
  }

  std::shared_ptr<World> world_;
  int rank_;
};

class ThreadHostComm final : public HostComm {
 public:
  ThreadHostComm(std::shared_ptr<World> world, int rank) : world_(std::move(world)), rank_(rank) {}
  int rank() const override { return rank_; }
  int size() const override { return static_cast<int>(world_->mail.size()); }

  void publish(std::span<const std::byte> message) override {
    WEFT_CHECK_EQ(rank_, 0);
    if (world_->job->aborted()) world_->job->throw_aborted();
    for (int peer = 1; peer < size(); ++peer) {
      Mailbox& box = world_->mail[peer];
      std::lock_guard lock(box.mutex);
      box.messages.emplace_back(message.begin(), message.end());
      box.waiting.fetch_add(1);
      box.filled.notify_one();
    }
  }

  std::vector<std::byte> receive() override {
    WEFT_CHECK(rank_ != 0, "rank 0 publishes");
    Mailbox& box = world_->mail[rank_];
    poll_awake([&] { return box.waiting.load() > 0 || world_->job->aborted(); });
    std::unique_lock lock(box.mutex);
    box.filled.wait(lock, [&] { return !box.messages.empty() || world_->job->aborted(); });
    if (world_->job->aborted()) world_->job->throw_aborted();
    std::vector<std::byte> message = std::move(box.messages.front());
    box.messages.pop_front();
    box.waiting.fetch_sub(1);
    return message;
  }

  std::vector<std::string> all_gather(const std::string& value) override {
    world_->values[rank_] = value;
    if (!world_->host.wait(true)) world_->job->throw_aborted();
    std::vector<std::string> all = world_->values;
    world_->host.wait(false);
    return all;
  }

  void barrier() override {
    if (!world_->host.wait(true)) world_->job->throw_aborted();
  }

 private:
  std::shared_ptr<World> world_;
  int rank_;
};

}  // namespace

std::vector<RankComm> thread_ranks(int n) {
  WEFT_CHECK(1 <= n && n < 2048, n, " thread ranks");
  const auto job = std::make_shared<Job>();
  const auto world = std::make_shared<World>(n, job);
  job->add(world);
  std::vector<RankComm> ranks;
  for (int rank = 0; rank < n; ++rank) {
    ranks.push_back({nullptr, std::make_unique<ThreadCommunicator>(world, rank),
                     std::make_unique<ThreadHostComm>(world, rank), rank, n});
  }
  return ranks;
}

RankComm single_rank() {
  RankComm only = std::move(thread_ranks(1)[0]);
  only.watch = std::make_unique<RankWatch>(std::vector<RankWatch::Peer>{}, 0, RankWatch::Tell{});
  return only;
}

}  // namespace weft
