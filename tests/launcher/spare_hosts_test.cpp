#include "launcher/spare_hosts.h"

#include <gmock/gmock.h>

namespace weft {
namespace {

using Words = std::vector<std::string>;
const Words kCommand{"mpirun", "-n", "2", "--hostfile", "hosts", "weft"};

TEST(SpareHosts, AreUsedWhereOthersFellSilent) {
  SpareHosts hosts({{"a", 1}, {"b", 1}, {"c", 2}}, 2);
  EXPECT_EQ(hosts.narrow(kCommand), kCommand);
  hosts.leave_out("b");
  EXPECT_EQ(hosts.narrow(kCommand), Words({"mpirun", "-n", "2", "--host", "a:1,c:2", "weft"}));
  hosts.leave_out("a");
  EXPECT_EQ(hosts.narrow(kCommand), Words({"mpirun", "-n", "2", "--host", "c:2", "weft"}));
  hosts.leave_out("c");
  EXPECT_EQ(hosts.narrow(kCommand), kCommand) << "none is left";
}

TEST(SpareHosts, NoneAreLeftOutWhereTheRestIsTooSmallOrUnknown) {
  SpareHosts small({{"a", 1}, {"b", 1}}, 2), uncounted({{"a", std::nullopt}, {"b", 1}, {"c", 2}}, 2), none({}, 2);
  for (SpareHosts* hosts : {&small, &uncounted, &none}) {
    hosts->leave_out("b");
    EXPECT_EQ(hosts->narrow(kCommand), kCommand);
  }
}

}  // namespace
}  // namespace weft
