// The TCP control plane with threads as its ranks: the host cases, strangers at the door, peers that vanish.
#include "parallel/host_tcp.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sstream>
#include <thread>

#include "tests/parallel/rank_cases.h"

namespace weft {
namespace {

// Connects n ranks over loopback and runs body(rank's connection) on a thread each.
template <class Body>
void run_tcp_ranks(int n, const Body& body) {
  HostListener listener("127.0.0.1");
  const std::string invitation = listener.invitation();
  std::vector<std::thread> threads;
  for (int rank = 0; rank < n; ++rank) {
    threads.emplace_back([&, rank] {
      RankComm ranks;
      ranks.host = rank == 0 ? listener.accept(n) : join_host(invitation, rank, n);
      body(ranks);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

int connect_to(const std::string& invitation) {
  std::istringstream fields(invitation);
  std::string address;
  int port = 0;
  fields >> address >> port;
  sockaddr_in target{};
  target.sin_family = AF_INET;
  target.sin_port = htons(static_cast<uint16_t>(port));
  inet_pton(AF_INET, address.c_str(), &target.sin_addr);
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&target), sizeof target), 0);
  return fd;
}

TEST(HostTcp, RunsTheHostCases) {
  for (const RankCase& rank_case : comm_cases()) {
    if (std::string_view(rank_case.name).substr(0, 5) != "host_") continue;
    for (const int n : {1, 2, 4}) run_tcp_ranks(n, rank_case.body);
  }
}

TEST(HostTcp, StrangersAreTurnedAway) {
  HostListener listener("127.0.0.1");
  const std::string invitation = listener.invitation();
  const int silent = connect_to(invitation), liar = connect_to(invitation), gone = connect_to(invitation);
  const std::string guess = "0123456789abcdef0123456789abcdef\x01\x00\x00\x00";
  ASSERT_GT(::send(liar, guess.data(), 36, MSG_NOSIGNAL), 0);
  close(gone);
  std::thread peer([&] {
    const auto host = join_host(invitation, 1, 2);
    EXPECT_EQ(host->all_gather("one"), (std::vector<std::string>{"zero", "one"}));
  });
  const auto host = listener.accept(2);
  EXPECT_EQ(host->all_gather("zero"), (std::vector<std::string>{"zero", "one"}));
  peer.join();
  close(silent);
  close(liar);
}

TEST(HostTcp, AVanishedPeerIsAnError) {
  run_tcp_ranks(3, [](RankComm& ranks) {
    HostComm& host = *ranks.host;
    if (host.rank() == 0) return;  // closes its connections
    try {
      host.receive();
      ADD_FAILURE();
    } catch (const CommError& error) {
      EXPECT_STREQ(error.what(), "rank 0 closed its connection");
    }
  });
  run_tcp_ranks(2, [](RankComm& ranks) {
    if (ranks.host->rank() != 0) return;
    EXPECT_THROW(ranks.host->barrier(), CommError);
  });
}

TEST(HostTcp, CallsOutOfStepAreAnError) {
  run_tcp_ranks(2, [](RankComm& ranks) {
    if (ranks.host->rank() == 0) {
      ranks.host->publish({});
    } else {
      EXPECT_THROW(ranks.host->barrier(), CommError);
    }
  });
}

TEST(HostTcp, FindsItsAddressTowardsAHost) {
  EXPECT_EQ(local_address_towards("127.0.0.1"), "127.0.0.1");
  EXPECT_THROW(local_address_towards("no-such-host.invalid"), CommError);
  EXPECT_THROW(HostListener("not an address"), CommError);
}

}  // namespace
}  // namespace weft
