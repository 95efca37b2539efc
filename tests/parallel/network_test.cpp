#include "parallel/network.h"

#include <gmock/gmock.h>

#include <sstream>

#include "kernels/core/check.h"

#include "parallel/open_mpi.h"

namespace weft {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::vector<NetworkInterface> kInterfaces = {
    {"eth0", "10.77.0.1"}, {"eth1", "10.99.0.1"}, {"docker0", "172.17.0.1"}, {"ib0", "10.88.0.1"}};
const std::string kMpirun = "1.0;tcp://10.77.0.1,10.88.0.1,10.99.0.1,172.17.0.1:4711;tcp6://[fd00::2]:4712";

std::vector<std::string> towards_mpirun(const std::string& lines) {
  std::istringstream table("  sl  local_address rem_address   st tx_queue\n" + lines);
  return interfaces_towards_mpirun(table, kMpirun, kInterfaces);
}

// Port 4711 is 1267 there, 10.77.0.1 is 01004D0A: as it lies in memory.
TEST(Network, InterfacesOfTheConnectionsOfMpirun) {
  const char* listening = "   0: 00000000:1267 00000000:0000 0A 0\n";
  const char* daemon_over_eth0 = "   1: 01004D0A:1267 02004D0A:8E2C 01 0\n";
  const char* daemon_over_ib0 = "   2: 0100580A:1267 0200580A:8E2C 01 0\n";
  const char* half_open_over_eth1 = "   3: 0100630A:9C40 0200630A:1267 02 0\n";
  const char* other_over_docker0 = "   4: 010011AC:0050 020011AC:8E2C 01 0\n";
  const char* own_rank = "   5: 0100007F:1267 0100007F:8E2E 01 0\n";
  const char* to_mpirun_over_eth1 = "   6: 0100630A:9C40 0200630A:1267 01 0\n";
  EXPECT_THAT(towards_mpirun(cat(listening, daemon_over_eth0, half_open_over_eth1, other_over_docker0, own_rank)),
              ElementsAre("eth0"));
  EXPECT_THAT(towards_mpirun(cat(daemon_over_ib0, daemon_over_eth0, daemon_over_ib0)), ElementsAre("ib0", "eth0"));
  EXPECT_THAT(towards_mpirun(to_mpirun_over_eth1), ElementsAre("eth1")) << "on another machine its port is the peer's";
  EXPECT_THAT(towards_mpirun(cat(listening, own_rank, other_over_docker0)), IsEmpty()) << "one machine";
}

TEST(Network, InterfacesInWords) {
  EXPECT_EQ(to_string({kInterfaces[0], kInterfaces[2]}), "10.77.0.1 (eth0), 172.17.0.1 (docker0)");
  EXPECT_EQ(to_string(std::vector<NetworkInterface>{}), "none");
}

}  // namespace
}  // namespace weft
