#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <numeric>
#include <random>

#include "kernels/core/check.h"
#include "parallel/groups.h"
#include "tests/parallel/rank_cases.h"

namespace weft {
namespace {

using Bytes = std::vector<std::byte>;

// The i-th byte of what `from` sends to `to` in round `round`.
std::byte pattern(int from, int to, int round, int64_t i) {
  return static_cast<std::byte>(from * 131 + to * 31 + round * 7 + i * 3 + (i >> 8));
}

void append_pattern(Bytes& bytes, int from, int to, int round, int64_t count) {
  for (int64_t i = 0; i < count; ++i) bytes.push_back(pattern(from, to, round, i));
}

// Mostly tiny, sometimes nothing, now and then beyond an MPI eager message. The same on every rank.
int64_t random_count(std::mt19937& random) {
  const uint32_t kind = random() % 8;
  if (kind < 2) return 0;
  return random() % (kind == 7 ? 20000 : 300);
}

void check_all_gather(Communicator& comm, int round, const std::vector<int64_t>& counts) {
  Bytes send, expected;
  append_pattern(send, comm.rank(), 0, round, counts[comm.rank()]);
  for (int peer = 0; peer < comm.size(); ++peer) append_pattern(expected, peer, 0, round, counts[peer]);
  Bytes recv(expected.size());
  comm.all_gather_v(recv, send, counts);
  ASSERT_TRUE(recv == expected) << "round " << round;
}

// counts[from * size + to]
void check_all_to_all(Communicator& comm, int round, const std::vector<int64_t>& counts) {
  const int n = comm.size(), me = comm.rank();
  Bytes send, expected;
  std::vector<int64_t> send_counts(n), recv_counts(n);
  for (int peer = 0; peer < n; ++peer) {
    send_counts[peer] = counts[me * n + peer];
    recv_counts[peer] = counts[peer * n + me];
    append_pattern(send, me, peer, round, send_counts[peer]);
    append_pattern(expected, peer, me, round, recv_counts[peer]);
  }
  Bytes recv(expected.size());
  comm.all_to_all_v(recv, recv_counts, send, send_counts);
  ASSERT_TRUE(recv == expected) << "round " << round;
}

void ragged_rounds(RankComm& ranks) {
  Communicator& comm = *ranks.tensors;
  std::mt19937 random(42);
  for (int round = 0; round < 1000; ++round) {
    std::vector<int64_t> gather(comm.size()), exchange(comm.size() * comm.size());
    for (int64_t& count : gather) count = random_count(random);
    for (int64_t& count : exchange) count = random_count(random);
    ASSERT_NO_FATAL_FAILURE(check_all_gather(comm, round, gather));
    ASSERT_NO_FATAL_FAILURE(check_all_to_all(comm, round, exchange));
  }
}

void nothing_at_all(RankComm& ranks) {
  Communicator& comm = *ranks.tensors;
  for (int round = 0; round < 100; ++round) {
    check_all_gather(comm, round, std::vector<int64_t>(comm.size(), 0));
    check_all_to_all(comm, round, std::vector<int64_t>(comm.size() * comm.size(), 0));
    comm.broadcast({}, round % comm.size());
  }
}

// An empty buffer may have the address of the full one.
void empty_beside_full(RankComm& ranks) {
  Communicator& comm = *ranks.tensors;
  const int n = comm.size(), me = comm.rank();
  Bytes full(n * 10, std::byte(me));
  const std::vector<int64_t> none(n, 0);
  for (int round = 0; round < 50; ++round) {
    std::vector<int64_t> counts(n, 0);
    counts[0] = 10;  // everybody to rank 0
    if (me != 0) {
      comm.all_to_all_v({full.data(), 0}, none, {full.data(), 10}, counts);
    } else {
      Bytes recv(n * 10);
      comm.all_to_all_v(recv, std::vector<int64_t>(n, 10), {full.data(), 10}, counts);
      for (int peer = 0; peer < n; ++peer) ASSERT_EQ(recv[peer * 10 + 9], std::byte(peer));
    }
    comm.all_to_all_v({full.data(), 0}, none, {full.data(), 0}, none);
    check_all_gather(comm, round, counts);
  }
}

// One rank has everything, the others nothing: in turn as giver and as taker.
void one_sided(RankComm& ranks) {
  Communicator& comm = *ranks.tensors;
  const int n = comm.size();
  for (int hot = 0; hot < n; ++hot) {
    std::vector<int64_t> gather(n, 0), from(n * n, 0), to(n * n, 0);
    gather[hot] = 70001;
    for (int peer = 0; peer < n; ++peer) from[hot * n + peer] = to[peer * n + hot] = 30000 + peer;
    check_all_gather(comm, hot, gather);
    check_all_to_all(comm, hot, from);
    check_all_to_all(comm, hot, to);
  }
}

void megabytes(RankComm& ranks) {
  Communicator& comm = *ranks.tensors;
  check_all_gather(comm, 1, std::vector<int64_t>(comm.size(), 5'000'001 / comm.size()));
  check_all_to_all(comm, 2, std::vector<int64_t>(comm.size() * comm.size(), 5'000'001 / comm.size()));
  Bytes data(5'000'001), expected;
  append_pattern(expected, comm.size() - 1, 0, 3, 5'000'001);
  if (comm.rank() == comm.size() - 1) data = expected;
  comm.broadcast(data, comm.size() - 1);
  ASSERT_TRUE(data == expected);
}

void broadcast_from_each(RankComm& ranks) {
  Communicator& comm = *ranks.tensors;
  for (const int64_t bytes : {1, 2304, 100'000}) {
    for (int root = 0; root < comm.size(); ++root) {
      Bytes data(bytes), expected;
      append_pattern(expected, root, 0, 3, bytes);
      if (comm.rank() == root) data = expected;
      comm.broadcast(data, root);
      ASSERT_TRUE(data == expected) << bytes << " bytes from " << root;
    }
  }
}

// Exact sums of integers from all ranks, the way the linears use the communicator.
void integer_sums(RankComm& ranks) {
  Communicator& comm = *ranks.tensors;
  const int n = comm.size();
  std::vector<float> mine(576), all(576 * n);
  for (int round = 0; round < 300; ++round) {
    for (int i = 0; i < 576; ++i) mine[i] = static_cast<float>((comm.rank() + 1) * (i + round));
    comm.all_gather_v(std::as_writable_bytes(std::span(all)), std::as_bytes(std::span(mine)),
                      std::vector<int64_t>(n, 576 * 4));
    for (int i = 0; i < 576; ++i) {
      float sum = 0;
      for (int peer = 0; peer < n; ++peer) sum += all[peer * 576 + i];
      ASSERT_EQ(sum, static_cast<float>(n * (n + 1) / 2 * (i + round)));
    }
  }
}

void traffic_is_counted(RankComm& ranks) {
  Communicator& comm = *ranks.tensors;
  const int n = comm.size();
  const Communicator::Traffic before = comm.traffic();
  std::vector<int64_t> counts(n);
  for (int peer = 0; peer < n; ++peer) counts[peer] = 10 + peer;
  check_all_gather(comm, 0, counts);
  std::vector<int64_t> exchange(n * n, 100);
  check_all_to_all(comm, 0, exchange);
  Bytes data(1000);
  comm.broadcast(data, n - 1);
  EXPECT_EQ(comm.traffic().all_gather - before.all_gather, (10 + comm.rank()) * (n - 1));
  EXPECT_EQ(comm.traffic().all_to_all - before.all_to_all, 100 * (n - 1));
  EXPECT_EQ(comm.traffic().broadcast - before.broadcast, comm.rank() == n - 1 ? 1000 * (n - 1) : 0);
}

void contradictions_are_caught(RankComm& ranks) {
  Communicator& comm = *ranks.tensors;
  Bytes send(8), recv(8 * comm.size());
  EXPECT_THROW(comm.all_gather_v(recv, send, std::vector<int64_t>(comm.size(), 7)), CheckError);
  EXPECT_THROW(comm.all_gather_v(recv, send, std::vector<int64_t>(comm.size() + 1, 8)), CheckError);
  const std::vector<int64_t> right(comm.size(), 8), wrong(comm.size(), -8);
  EXPECT_THROW(comm.all_to_all_v(recv, right, recv, wrong), CheckError);
  check_all_gather(comm, 0, right);  // nobody was left waiting
}

// What rank `from` sends to rank `to`, rows of two values, at fixed places in a tensor of NaN.
struct Regions {
  int64_t capacity;
  std::vector<float> values;
  Regions(int regions, int64_t capacity) : capacity(capacity), values(static_cast<size_t>(regions * capacity * 2), NAN) {}
  Tensor tensor() { return Tensor(values.data(), {std::ssize(values) / (capacity * 2), capacity, 2}); }
  float* row(int region, int64_t row) { return &values[static_cast<size_t>((region * capacity + row) * 2)]; }
  void fill(int region, int from, int to, int32_t rows) {
    for (int32_t i = 0; i < rows; ++i)
      row(region, i)[0] = static_cast<float>(from * 100 + to), row(region, i)[1] = static_cast<float>(i);
  }
  bool same_bits(const Regions& other) const {
    return std::memcmp(values.data(), other.values.data(), values.size() * 4) == 0;
  }
};

void rows_travel_at_fixed_places(RankComm& ranks) {
  Communicator& comm = *ranks.tensors;
  const int n = comm.size(), me = comm.rank();
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    const int32_t capacity = 1 + static_cast<int32_t>(random() % (round % 20 == 0 ? 3000 : 5));
    std::vector<int32_t> counts(static_cast<size_t>(n * n));  // [from * n + to]
    for (int32_t& count : counts)
      count = random() % 3 == 0 ? 0 : static_cast<int32_t>(random() % (static_cast<uint32_t>(capacity) + 1));

    Regions sent(n, capacity), received(n, capacity), expected(n, capacity);
    for (int peer = 0; peer < n; ++peer) {
      sent.fill(peer, me, peer, counts[static_cast<size_t>(me * n + peer)]);
      expected.fill(peer, peer, me, counts[static_cast<size_t>(peer * n + me)]);
    }
    comm.all_to_all_v(received.tensor(), sent.tensor(), Tensor(&counts[static_cast<size_t>(me * n)], {n}));
    ASSERT_TRUE(received.same_bits(expected)) << "round " << round;

    Regions own(1, capacity), all(n, capacity), expected_all(n, capacity);
    own.fill(0, me, 0, counts[static_cast<size_t>(me)]);
    for (int peer = 0; peer < n; ++peer) expected_all.fill(peer, peer, 0, counts[static_cast<size_t>(peer)]);
    comm.all_gather_v(all.tensor(), own.tensor().view({capacity, 2}), Tensor(counts.data(), {n}));
    ASSERT_TRUE(all.same_bits(expected_all)) << "round " << round;
  }
  int32_t too_many = 3;
  Regions small(n, 2), from(n, 2);
  std::vector<int32_t> counts(static_cast<size_t>(n), too_many);
  EXPECT_THROW(comm.all_to_all_v(small.tensor(), from.tensor(), Tensor(counts.data(), {n})), CheckError);
}

void equal_pieces_are_gathered(RankComm& ranks) {
  Communicator& comm = *ranks.tensors;
  std::vector<int32_t> own = {comm.rank(), -comm.rank()}, all(static_cast<size_t>(2 * comm.size()));
  comm.all_gather(Tensor(all.data(), {comm.size(), 2}), Tensor(own.data(), {2}));
  for (int peer = 0; peer < comm.size(); ++peer) {
    EXPECT_EQ(all[static_cast<size_t>(2 * peer)], peer);
    EXPECT_EQ(all[static_cast<size_t>(2 * peer + 1)], -peer);
  }
}

// Every pair in both directions, small and large.
void one_rank_sends_to_another(RankComm& ranks) {
  Communicator& comm = *ranks.tensors;
  for (const int64_t size : {0, 1, 70'000}) {
    for (int from = 0; from < comm.size(); ++from) {
      for (int to = 0; to < comm.size(); ++to) {
        if (from == to || (comm.rank() != from && comm.rank() != to)) continue;
        std::vector<float> sent(static_cast<size_t>(size), static_cast<float>(from * 10 + to)), got(sent.size());
        const int64_t before = comm.traffic().point_to_point;
        if (comm.rank() == from) {
          comm.send(Tensor(sent.data(), {size}), to);
        } else {
          comm.recv(Tensor(got.data(), {size}), from);
          ASSERT_EQ(got, sent);
        }
        ASSERT_EQ(comm.traffic().point_to_point - before, comm.rank() == from ? size * 4 : 0);
      }
    }
  }
}

// Ranks with an even and an odd number, in descending order; then groups of one; then the group of all, split again.
void groups_are_communicators(RankComm& ranks) {
  Communicator& comm = *ranks.tensors;
  std::vector<int> mine;
  for (int r = comm.size() - 1; r >= 0; --r)
    if (r % 2 == comm.rank() % 2) mine.push_back(r);
  const std::unique_ptr<Communicator> half = comm.split(mine);
  ASSERT_EQ(half->size(), std::ssize(mine));
  ASSERT_EQ(mine[static_cast<size_t>(half->rank())], comm.rank());
  const std::unique_ptr<Communicator> alone = half->split(std::vector<int>{half->rank()});
  ASSERT_EQ(alone->size(), 1);
  for (int round = 0; round < 20; ++round) {  // unlike numbers of exchanges in the groups, and the whole between them
    for (int i = 0; i <= comm.rank() % 2; ++i) {
      std::vector<int32_t> all(mine.size()), own = {comm.rank() + round};
      half->all_gather(Tensor(all.data(), {half->size()}), Tensor(own.data(), {1}));
      for (size_t i = 0; i < mine.size(); ++i) ASSERT_EQ(all[i], mine[i] + round);
    }
    check_all_gather(*alone, round, {5});
    check_all_gather(comm, round, std::vector<int64_t>(static_cast<size_t>(comm.size()), 8));
  }
  EXPECT_THROW(comm.split(std::vector<int>{comm.size()}), CheckError);
}

// As with data parallelism: groups of up to two ranks share tensors, all of them experts.
void groups_come_from_the_mesh(RankComm& ranks) {
  Communicator& world = *ranks.tensors;
  const int n = world.size(), tp = n % 2 == 0 ? 2 : 1;
  const Mesh mesh{.world = n, .tp = tp, .dp = n / tp, .rank = world.rank()};
  const Groups groups(world, mesh), dry = Groups::dry(mesh);
  EXPECT_EQ(&groups.ep(), &world);
  EXPECT_EQ(groups.tp().size(), tp);
  EXPECT_EQ(groups.tp().rank(), world.rank() % tp);
  EXPECT_EQ(dry.tp().size(), tp);
  EXPECT_EQ(dry.tp().rank(), world.rank() % tp);
  EXPECT_EQ(dry.ep().size(), n);
  check_all_gather(groups.tp(), 0, std::vector<int64_t>(static_cast<size_t>(tp), 3));
}

void host_messages_keep_their_order(RankComm& ranks) {
  HostComm& host = *ranks.host;
  const auto message = [](int i) {
    Bytes bytes;
    append_pattern(bytes, 0, 0, i, i % 100 == 99 ? 300'000 : i % 50);
    return bytes;
  };
  for (int i = 0; i < 2000; ++i) {
    if (host.rank() == 0) {
      host.publish(message(i));
    } else {
      ASSERT_TRUE(host.receive() == message(i)) << i;
    }
    if (i % 500 == 250) host.barrier();
  }
}

void host_values_are_gathered(RankComm& ranks) {
  HostComm& host = *ranks.host;
  for (int round = 0; round < 50; ++round) {
    const auto value = [&](int rank) { return std::string(rank * 1000 * round, 'x') + std::to_string(rank + round); };
    const std::vector<std::string> all = host.all_gather(value(host.rank()));
    ASSERT_EQ(static_cast<int>(all.size()), host.size());
    for (int peer = 0; peer < host.size(); ++peer) ASSERT_EQ(all[peer], value(peer));
  }
}

}  // namespace

std::vector<RankCase> comm_cases() {
  return {{"ragged_rounds", ragged_rounds},
          {"nothing_at_all", nothing_at_all},
          {"empty_beside_full", empty_beside_full},
          {"one_sided", one_sided},
          {"megabytes", megabytes},
          {"broadcast_from_each", broadcast_from_each},
          {"integer_sums", integer_sums},
          {"traffic_is_counted", traffic_is_counted},
          {"contradictions_are_caught", contradictions_are_caught},
          {"rows_travel_at_fixed_places", rows_travel_at_fixed_places},
          {"equal_pieces_are_gathered", equal_pieces_are_gathered},
          {"one_rank_sends_to_another", one_rank_sends_to_another},
          {"groups_are_communicators", groups_are_communicators},
          {"groups_come_from_the_mesh", groups_come_from_the_mesh},
          {"host_messages_keep_their_order", host_messages_keep_their_order},
          {"host_values_are_gathered", host_values_are_gathered}};
}

}  // namespace weft
