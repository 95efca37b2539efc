// Who is let in, and that nobody waits for those who are not.
#include "parallel/job_listener.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <thread>

#include "kernels/core/check.h"
#include "parallel/communicator.h"
#include "parallel/network.h"
#include "parallel/poll_until.h"

namespace weft {
namespace {

int port_of(const JobListener& listener) {
  const std::string& address = listener.invitation().address;
  return std::stoi(address.substr(address.rfind(':') + 1));
}

FileDescriptor stranger_at(const JobListener& listener) {
  return connect_any({"127.0.0.1"}, port_of(listener), std::chrono::seconds(1));
}

TEST(JobListener, AGuestTellsWhoItIs) {
  JobListener listener;
  std::thread other([&] { EXPECT_TRUE(enter(listener.invitation(), 3, Purpose::watch)); });
  const std::optional<Guest> guest = listener.admit(now_s() + 5);
  ASSERT_TRUE(guest);
  EXPECT_EQ(guest->rank, 3);
  EXPECT_EQ(guest->purpose, Purpose::watch);
  EXPECT_EQ(guest->host, host_name());
  EXPECT_TRUE(guest->welcome());
  other.join();
}

TEST(JobListener, StrangersAreTurnedAwayAndDelayNobody) {
  JobListener listener;
  std::vector<FileDescriptor> silent;
  for (int i = 0; i < 300; ++i) silent.push_back(stranger_at(listener));  // more than it listens to at once
  FileDescriptor liar = stranger_at(listener), gone = stranger_at(listener);
  const std::string guess(200, '0');
  ASSERT_GT(::send(liar.get(), guess.data(), guess.size(), MSG_NOSIGNAL), 0);
  gone.reset();
  std::thread other([&] { enter(listener.invitation(), 1, Purpose::control); });
  const double begin = now_s();
  const std::optional<Guest> guest = listener.admit(begin + 5);
  ASSERT_TRUE(guest && guest->welcome());
  EXPECT_LT(now_s() - begin, 0.8) << "strangers were waited for";
  other.join();
  EXPECT_FALSE(listener.admit(begin + 1.5));
  for (const FileDescriptor* stranger : {&silent.front(), &silent.back(), &liar}) {
    char byte;
    errno = 0;
    EXPECT_LE(::recv(stranger->get(), &byte, 1, MSG_DONTWAIT), 0);
    EXPECT_NE(errno, EAGAIN) << "it still stands at the door";
  }
}

TEST(JobListener, WaitsNoLongerThanToldAndTakesFirstWhoCameBefore) {
  JobListener listener;
  const double begin = now_s();
  EXPECT_FALSE(listener.admit(begin + 0.1));
  EXPECT_GE(now_s() - begin, 0.1);
  const FileDescriptor over(::eventfd(1, EFD_CLOEXEC));
  EXPECT_FALSE(listener.admit(begin + 60, {over.get()}));
  std::thread other([&] { enter(listener.invitation(), 0, Purpose::commands); });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const std::optional<Guest> guest = listener.admit(begin + 60, {over.get()});
  ASSERT_TRUE(guest && guest->welcome());
  other.join();
}

TEST(JobListener, OnAllInterfacesThisMachineMayCome) {
  JobListener listener(Ipv4Networks(), "of a friend");
  std::thread other([&] { EXPECT_TRUE(enter(listener.invitation(), 1, Purpose::control)); });
  const std::optional<Guest> guest = listener.admit(now_s() + 5);
  ASSERT_TRUE(guest && guest->welcome());
  other.join();
}

// 127.0.0.2 is this machine's too, but nobody listens there; 192.0.2.1 is an address that documentation uses and nobody has.
TEST(JobListener, EveryAddressIsTried) {
  JobListener listener;
  const auto& [address, token, host] = listener.invitation();
  std::thread other([&] {
    enter({cat("192.0.2.1,127.0.0.2,127.0.0.1:", port_of(listener)), token, host}, 1, Purpose::control);
  });
  ASSERT_TRUE(listener.admit(now_s() + 5)->welcome());
  other.join();
  try {
    enter({"127.0.0.1,127.0.0.2,nonsense:1", token, host}, 1, Purpose::control);
    ADD_FAILURE();
  } catch (const CommError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("127.0.0.1: Connection refused, 127.0.0.2: Connection refused"));
  }
  EXPECT_THROW(enter({"here", token, host}, 1, Purpose::control), InputError);
}

bool contains(const Ipv4Networks& networks, const char* address) {
  in_addr in{};
  EXPECT_EQ(inet_pton(AF_INET, address, &in), 1);
  return networks.contains(in.s_addr);
}

TEST(Ipv4Networks, AddressesNetworksAndNames) {
  Ipv4Networks networks;
  EXPECT_FALSE(contains(networks, "127.0.0.1"));
  for (const char* good : {"10.0.0.7", "10.1.2.3/16", "192.168.4.129/25"}) EXPECT_TRUE(networks.add(good)) << good;
  for (const char* bad :
       {"", "10.0.0", "10.0.0.256", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "10.0.0.0/8x", "host", "::1"})
    EXPECT_FALSE(networks.add(bad)) << bad;
  for (const char* in : {"10.0.0.7", "10.1.0.0", "10.1.255.255", "192.168.4.128", "192.168.4.255"})
    EXPECT_TRUE(contains(networks, in)) << in;
  for (const char* out : {"10.0.0.6", "10.2.0.0", "192.168.4.127", "0.0.0.0"}) EXPECT_FALSE(contains(networks, out)) << out;
  networks.add_host("localhost");
  networks.add_host("no.such.host.invalid");
  networks.add_host("10.9.0.1");
  EXPECT_TRUE(contains(networks, "127.0.0.1"));
  EXPECT_TRUE(contains(networks, "10.9.0.1"));
  EXPECT_TRUE(networks.add("0.0.0.0/0"));
  EXPECT_TRUE(contains(networks, "203.0.113.9"));
}

}  // namespace
}  // namespace weft
