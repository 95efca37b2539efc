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

}  // namespace

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
