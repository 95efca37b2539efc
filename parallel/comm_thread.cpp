// Ranks as threads of one process: they read each other's buffers between two barriers.
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <numeric>

#include "kernels/core/check.h"
#include "kernels/core/wait.h"
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

// What one rank shows the others during a collective.
struct Slot {
  std::span<const std::byte> data;
  std::span<const int64_t> counts;  // all_to_all_v: pieces of data, by receiver
};

struct World {
  explicit World(int ranks) : tensors(ranks), host(ranks), slots(ranks), values(ranks), mail(ranks) {}

  void abort(const std::string& why) {
    {
      std::lock_guard lock(mutex);
      if (!aborted.load()) reason = why;
      aborted.store(true);
    }
    tensors.abort();
    host.abort();
    for (Mailbox& box : mail) {
      std::lock_guard lock(box.mutex);
      box.filled.notify_all();
    }
  }
  [[noreturn]] void throw_aborted() {
    std::lock_guard lock(mutex);
    throw CommError(reason);
  }

  Barrier tensors, host;
  std::vector<Slot> slots;
  std::vector<std::string> values;
  std::vector<Mailbox> mail;
  std::mutex mutex;
  std::string reason;
  std::atomic<bool> aborted{false};
};

class ThreadCommunicator final : public Communicator {
 public:
  ThreadCommunicator(std::shared_ptr<World> world, int rank) : world_(std::move(world)), rank_(rank) {}
  int rank() const override { return rank_; }
  int size() const override { return static_cast<int>(world_->slots.size()); }

  void all_gather_v(std::span<std::byte> recv, std::span<const std::byte> send, std::span<const int64_t> counts) override {
    check_all_gather(recv, send, counts);
    exchange({send, {}}, "all_gather_v: ranks disagree on counts", [&](int peer, const Slot& slot) {
      if (static_cast<int64_t>(slot.data.size()) != counts[peer]) return false;
      append(recv, slot.data);
      return true;
    });
    traffic_.all_gather += counts[rank_] * (size() - 1);
  }

  void all_to_all_v(std::span<std::byte> recv, std::span<const int64_t> recv_counts, std::span<const std::byte> send,
                    std::span<const int64_t> send_counts) override {
    check_all_to_all(recv, recv_counts, send, send_counts);
    exchange({send, send_counts}, "all_to_all_v: ranks disagree on counts", [&](int peer, const Slot& slot) {
      if (slot.counts[rank_] != recv_counts[peer]) return false;
      const int64_t begin = std::accumulate(slot.counts.begin(), slot.counts.begin() + rank_, int64_t{0});
      append(recv, slot.data.subspan(begin, slot.counts[rank_]));
      return true;
    });
    traffic_.all_to_all += static_cast<int64_t>(send.size()) - send_counts[rank_];
  }

  void broadcast(std::span<std::byte> data, int root) override {
    exchange({data, {}}, "broadcast: ranks disagree on the size", [&](int peer, const Slot& slot) {
      if (slot.data.size() != data.size()) return false;
      if (peer == root && rank_ != root && !data.empty()) std::memcpy(data.data(), slot.data.data(), data.size());
      return true;
    });
    if (rank_ == root) traffic_.broadcast += static_cast<int64_t>(data.size()) * (size() - 1);
  }

  void abort(const std::string& reason) override { world_->abort(reason); }

 private:
  // Shows `mine`, runs take(peer, slot) for every rank in order, and keeps the buffers alive until all have
  // taken.
  template <class Take>
  void exchange(const Slot& mine, const char* mismatch, const Take& take) {
    world_->slots[rank_] = mine;
    if (!world_->tensors.wait(true)) world_->throw_aborted();
    bool agreed = true;
    for (int peer = 0; agreed && peer < size(); ++peer) agreed = take(peer, world_->slots[peer]);
    world_->tensors.wait(false);
    if (!agreed) {
      world_->abort(mismatch);
      world_->throw_aborted();
    }
  }

  // Copies `piece` to the front of `rest` and drops it from there.
  static void append(std::span<std::byte>& rest, std::span<const std::byte> piece) {
    if (!piece.empty()) std::memcpy(rest.data(), piece.data(), piece.size());
    rest = rest.subspan(piece.size());
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
    if (world_->aborted.load()) world_->throw_aborted();
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
    poll_awake([&] { return box.waiting.load() > 0 || world_->aborted.load(); });
    std::unique_lock lock(box.mutex);
    box.filled.wait(lock, [&] { return !box.messages.empty() || world_->aborted.load(); });
    if (world_->aborted.load()) world_->throw_aborted();
    std::vector<std::byte> message = std::move(box.messages.front());
    box.messages.pop_front();
    box.waiting.fetch_sub(1);
    return message;
  }

  std::vector<std::string> all_gather(const std::string& value) override {
    world_->values[rank_] = value;
    if (!world_->host.wait(true)) world_->throw_aborted();
    std::vector<std::string> all = world_->values;
    world_->host.wait(false);
    return all;
  }

  void barrier() override {
    if (!world_->host.wait(true)) world_->throw_aborted();
  }

 private:
  std::shared_ptr<World> world_;
  int rank_;
};

}  // namespace

std::vector<RankComm> thread_ranks(int n) {
  WEFT_CHECK(1 <= n && n < 2048, n, " thread ranks");
  auto world = std::make_shared<World>(n);
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
