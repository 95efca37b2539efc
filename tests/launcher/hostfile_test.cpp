#include "launcher/hostfile.h"

#include <gmock/gmock.h>

#include <sstream>

#include "kernels/core/check.h"

namespace weft {
namespace {

std::vector<HostfileHost> read(const std::string& text) {
  std::istringstream file(text);
  return read_hostfile(file, "hosts");
}

std::string refusal(const std::string& text) {
  try {
    read(text);
  } catch (const InputError& e) {
    return e.what();
  }
  return "";
}

MATCHER_P2(IsHost, name, slots, "") { return arg.name == name && arg.slots == slots; }

TEST(Hostfile, HostsAndTheirSlots) {
  EXPECT_THAT(
      read(
          "# the machines\nalpha slots=2\n\n  beta   slots = 4 max_slots=8  # the big one\n10.0.0.3\nuser@delta cpus=1\r\n"),
      ::testing::ElementsAre(IsHost("alpha", 2), IsHost("beta", 4), IsHost("10.0.0.3", std::nullopt),
                             IsHost("user@delta", 1)));
}

TEST(Hostfile, AHostNamedAgainAddsItsSlots) {
  EXPECT_THAT(read("alpha\nbeta slots=2\nalpha\nbeta slots=3\nalpha"),
              ::testing::ElementsAre(IsHost("alpha", 3), IsHost("beta", 5)));
}

TEST(Hostfile, WhatIsNoHostfileIsRefusedByLine) {
  for (const char* empty : {"", "\n", "# nothing\n  \n"})
    EXPECT_EQ(refusal(empty), "--hostfile hosts names no host; a line is HOST slots=N");
  EXPECT_EQ(refusal("alpha\n@@@ x\n"), "--hostfile hosts line 2 is '@@@ x'; a line is HOST slots=N");
  EXPECT_EQ(refusal("alpha two\n"), "--hostfile hosts line 1 has 'two' behind its host; a line is HOST slots=N");
  for (const char* slots : {"abc", "0", "-1", "2x", "99999999999"})
    EXPECT_EQ(refusal(cat("alpha slots=", slots)),
              cat("--hostfile hosts line 1 has slots=", slots, "; it must be a number from 1"));
}

}  // namespace
}  // namespace weft
