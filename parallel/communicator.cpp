#include "parallel/communicator.h"

#include <algorithm>
#include <numeric>

#include "kernels/core/check.h"
#include "parallel/bytes.h"

namespace weft {
namespace {

// CheckError where this rank's own arguments contradict each other.
void check_pieces(const char* what, size_t bytes, std::span<const int64_t> counts, int ranks) {
  WEFT_CHECK(static_cast<int>(counts.size()) == ranks, what, ": ", counts.size(), " counts for ", ranks, " ranks");
  for (const int64_t count : counts) WEFT_CHECK(count >= 0, what, ": ", count);
  const int64_t total = std::accumulate(counts.begin(), counts.end(), int64_t{0});
  WEFT_CHECK(total == static_cast<int64_t>(bytes), what, ": counts add up to ", total, ", the buffer has ", bytes);
}

template <class Piece>
std::vector<Piece> cut(Piece bytes, std::span<const int64_t> counts) {
  std::vector<Piece> pieces;
  for (const int64_t count : counts) {
    pieces.push_back(bytes.first(static_cast<size_t>(count)));
    bytes = bytes.subspan(static_cast<size_t>(count));
  }
  return pieces;
}

std::vector<std::span<std::byte>> regions(Tensor all) {
  return cut(bytes(all), std::vector<int64_t>(static_cast<size_t>(all.dim(0)), all.bytes() / all.dim(0)));
}

// What of a region of `capacity` rows travels.
std::span<const std::byte> filled(std::span<const std::byte> region, int32_t count, int64_t capacity) {
  WEFT_CHECK(0 <= count && count <= capacity, count, " rows in a region of ", capacity);
  return count == 0 ? region.first(0)
                    : region.first(region.size() / static_cast<size_t>(capacity) * static_cast<size_t>(count));
}

void check_regions(const char* what, Tensor recv, Tensor one, Tensor counts, int ranks) {
  WEFT_CHECK(recv.rank == 3 && recv.contiguous() && recv.dim(0) == ranks && one.rank == 2 && one.contiguous() &&
                 one.dtype == recv.dtype && one.dim(0) == recv.dim(1) && one.dim(1) == recv.dim(2),
             what, ": from ", one.describe(), " to ", recv.describe(), " on ", ranks, " ranks");
  WEFT_CHECK(counts.dtype == DType::i32 && counts.contiguous() && counts.elements() == ranks, what, ": counts are ",
             counts.describe());
}

class DryCommunicator final : public Communicator {
 public:
  DryCommunicator(int rank, int size) : rank_(rank), size_(size) {}
  int rank() const override { return rank_; }
  int size() const override { return size_; }
  void broadcast(std::span<std::byte>, int) override {}
  void send(Tensor, int) override {}
  void recv(Tensor, int) override {}
  std::unique_ptr<Communicator> split(std::span<const int> members) override {
    return dry_communicator(place_in(members), static_cast<int>(members.size()));
  }
  void abort(const std::string&) override {}

 private:
  bool is_dry() const override { return true; }
  void exchange(std::span<const Piece>, std::span<const SentPiece>, Fit) override {}
  int rank_, size_;
};

}  // namespace

std::unique_ptr<Communicator> dry_communicator(int rank, int size) { return std::make_unique<DryCommunicator>(rank, size); }

void Communicator::all_gather_v(std::span<std::byte> recv, std::span<const std::byte> send,
                                std::span<const int64_t> counts) {
  check_pieces("all_gather_v", recv.size(), counts, size());
  WEFT_CHECK_EQ(static_cast<int64_t>(send.size()), counts[rank()]);
  if (is_dry()) return;
  const std::vector<SentPiece> sent(counts.size(), send);
  exchange(cut(recv, counts), sent, Fit::exact);
  traffic_.all_gather += sent_elsewhere(sent);
}

void Communicator::all_to_all_v(std::span<std::byte> recv, std::span<const int64_t> recv_counts,
                                std::span<const std::byte> send, std::span<const int64_t> send_counts) {
  check_pieces("all_to_all_v (receive)", recv.size(), recv_counts, size());
  check_pieces("all_to_all_v (send)", send.size(), send_counts, size());
  WEFT_CHECK_EQ(send_counts[rank()], recv_counts[rank()]);
  if (is_dry()) return;
  const std::vector<SentPiece> sent = cut(send, send_counts);
  exchange(cut(recv, recv_counts), sent, Fit::exact);
  traffic_.all_to_all += sent_elsewhere(sent);
}

void Communicator::all_gather(Tensor recv, Tensor send) {
  WEFT_CHECK(recv.dtype == send.dtype && recv.elements() == size() * send.elements(), "all_gather: from ", send.describe(),
             " to ", recv.describe(), " on ", size(), " ranks");
  all_gather_v(bytes(recv), bytes(send), std::vector<int64_t>(static_cast<size_t>(size()), send.bytes()));
}

void Communicator::all_gather_v(Tensor recv, Tensor send, Tensor counts) {
  check_regions("all_gather_v", recv, send, counts, size());
  if (is_dry()) return;
  const std::vector<SentPiece> sent(static_cast<size_t>(size()),
                                    filled(bytes(send), counts.as<int32_t>()[rank()], send.dim(0)));
  exchange(regions(recv), sent, Fit::at_most);
  traffic_.all_gather += sent_elsewhere(sent);
}

void Communicator::all_to_all_v(Tensor recv, Tensor send, Tensor counts) {
  WEFT_CHECK(send.rank == 3 && send.shape == recv.shape && send.contiguous(), "all_to_all_v: from ", send.describe());
  check_regions("all_to_all_v", recv, Tensor(send.data, send.dtype, {send.dim(1), send.dim(2)}), counts, size());
  if (is_dry()) return;
  std::vector<SentPiece> sent;
  for (const std::span<std::byte> region : regions(send))
    sent.push_back(filled(region, counts.as<int32_t>()[std::ssize(sent)], send.dim(1)));
  exchange(regions(recv), sent, Fit::at_most);
  traffic_.all_to_all += sent_elsewhere(sent);
}

int Communicator::place_in(std::span<const int> members) const {
  const auto me = std::find(members.begin(), members.end(), rank());
  WEFT_CHECK(me != members.end(), "rank ", rank(), " is not in the group it names");
  return static_cast<int>(me - members.begin());
}

int64_t Communicator::sent_elsewhere(std::span<const SentPiece> send) const {
  int64_t bytes = 0;
  for (int r = 0; r < size(); ++r)
    if (r != rank()) bytes += std::ssize(send[static_cast<size_t>(r)]);
  return bytes;
}

}  // namespace weft
