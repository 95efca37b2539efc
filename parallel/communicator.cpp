#include "parallel/communicator.h"

#include <numeric>

#include "kernels/core/check.h"

namespace weft {
namespace {

void check_pieces(const char* what, size_t bytes, std::span<const int64_t> counts, int ranks) {
  WEFT_CHECK(static_cast<int>(counts.size()) == ranks, what, ": ", counts.size(), " counts for ", ranks, " ranks");
  for (const int64_t count : counts) WEFT_CHECK(count >= 0, what, ": ", count);
  const int64_t total = std::accumulate(counts.begin(), counts.end(), int64_t{0});
  WEFT_CHECK(total == static_cast<int64_t>(bytes), what, ": counts add up to ", total, ", the buffer has ", bytes);
}

class DryCommunicator final : public Communicator {
 public:
  DryCommunicator(int rank, int size) : rank_(rank), size_(size) {}
  int rank() const override { return rank_; }
  int size() const override { return size_; }
  void all_gather_v(std::span<std::byte>, std::span<const std::byte>, std::span<const int64_t>) override {}
  void all_to_all_v(std::span<std::byte>, std::span<const int64_t>, std::span<const std::byte>,
                    std::span<const int64_t>) override {}
  void broadcast(std::span<std::byte>, int) override {}
  void abort(const std::string&) override {}

 private:
  int rank_, size_;
};

}  // namespace

std::unique_ptr<Communicator> dry_communicator(int rank, int size) { return std::make_unique<DryCommunicator>(rank, size); }

void Communicator::check_all_gather(std::span<std::byte> recv, std::span<const std::byte> send,
                                    std::span<const int64_t> counts) const {
  check_pieces("all_gather_v", recv.size(), counts, size());
  WEFT_CHECK_EQ(static_cast<int64_t>(send.size()), counts[rank()]);
}

void Communicator::check_all_to_all(std::span<std::byte> recv, std::span<const int64_t> recv_counts,
                                    std::span<const std::byte> send, std::span<const int64_t> send_counts) const {
  check_pieces("all_to_all_v (receive)", recv.size(), recv_counts, size());
  check_pieces("all_to_all_v (send)", send.size(), send_counts, size());
  WEFT_CHECK_EQ(send_counts[rank()], recv_counts[rank()]);
}

}  // namespace weft
