#include "launcher/job_end.h"

#include <gmock/gmock.h>
#include <sys/wait.h>

namespace weft {
namespace {

using ::testing::HasSubstr;

std::string why(const std::string& output, int exit_code = 1) {
  return explain_job_end("mpirun", output, W_EXITCODE(exit_code, 0));
}

const char* const kMap =
    " Data for node: alpha\tNum slots: 1\tMax slots: 0\tNum procs: 1\n"
    " \tProcess OMPI jobid: [6979,1] App: 0 Process rank: 0 Bound: N/A\n"
    " Data for node: beta\tNum slots: 2\tMax slots: 0\tNum procs: 2\n"
    " \tProcess OMPI jobid: [6979,1] App: 0 Process rank: 1 Bound: N/A\n"
    " \tProcess OMPI jobid: [6979,1] App: 0 Process rank: 10 Bound: N/A\n";

TEST(JobEnd, KilledRankByNumberHostAndSignal) {
  const std::string segfault =
      "mpirun noticed that process rank 1 with PID 0 on node vm exited on signal 11 (Segmentation fault).";
  EXPECT_EQ(why(segfault), "rank 1 on host vm was killed by signal 11 (Segmentation fault)");
  EXPECT_THAT(why("mpirun noticed that process rank 3 with PID 7 on node b exited on signal 9 (Killed)."),
              HasSubstr("rank 3 on host b was killed by signal 9 (Killed) (a SIGKILL that nobody sent"));
}

TEST(JobEnd, RankThatLeftByNumberHostAndExitCode) {
  const std::string left = "  Process name: [[6931,1],10]\n  Exit code:    3\n";
  EXPECT_EQ(why(kMap + left), "rank 10 on host beta ended with exit code 3");
  EXPECT_EQ(why(left), "rank 10 ended with exit code 3") << "a launcher that draws no map";
  EXPECT_EQ(why(std::string(kMap) + "MPI_ABORT was invoked on rank 0 in communicator MPI_COMM_WORLD\n"),
            "rank 0 on host alpha met an error and ended the job");
}

TEST(JobEnd, TheMapTellsARanksHost) {
  EXPECT_EQ(host_of_rank(kMap, 0), "alpha");
  EXPECT_EQ(host_of_rank(kMap, 1), "beta");
  EXPECT_EQ(host_of_rank(kMap, 2), "");
}

TEST(JobEnd, ALinkThatIsDownByBothHosts) {
  EXPECT_THAT(why("A process or daemon was unable to complete a TCP connection\nto another process:\n  Local host:    beta\n"
                  "  Remote host:   alpha\nORTE was unable to reliably start one or more daemons.\n"),
              HasSubstr("from host beta to host alpha"));
}

TEST(JobEnd, CausesStandBeforeTheirConsequences) {
  EXPECT_THAT(why("ssh: Could not resolve hostname otherhost: Name or service not known\n"
                  "ORTE was unable to reliably start one or more daemons.\n"),
              HasSubstr("the host name otherhost does not resolve"));
  EXPECT_THAT(why("ssh: connect to host 10.1.2.3 port 22: Connection refused\n"
                  "ORTE was unable to reliably start one or more daemons.\n"),
              HasSubstr("host 10.1.2.3 does not answer ssh on port 22 (Connection refused)"));
  EXPECT_THAT(
      why("mpirun was unable to launch the specified application as it could not access\nor execute an executable:\n\n"
          "Executable: /opt/weft\nNode: beta\n\nwhile attempting to start process rank 0.\n"
          "  Process name: [[6931,1],0]\n  Exit code:    132\n"),
      HasSubstr("host beta has no program /opt/weft"));
}

TEST(JobEnd, WhatKeepsMpirunFromStarting) {
  const std::pair<const char*, const char*> cases[] = {
      {"Open RTE was unable to open the hostfile:\n    /nonexistent\n", "hostfile /nonexistent"},
      {"There are not enough slots available in the system to satisfy the 8\nslots that were requested", "than the 8 ranks"},
      {"No nodes are available for this job, either due to", "no host for the ranks"},
      {"A call to mkdir was unable to create the desired directory:\n\n  Directory: /tmp/ompi.vm.0\n  Error:     Read-only "
       "file "
       "system\n",
       "session directory /tmp/ompi.vm.0 (Read-only file system); set TMPDIR"},
      {"[vm:1] PMIX ERROR: OUT-OF-RESOURCE in file dstore_segment.c", "no space for its session files"},
      {"root@beta: Permission denied (publickey,password).", "ssh to root@beta asks for a password"},
      {"No user exists for uid 12345", "user id 12345 has no name"},
      {"bash: line 1: orted: command not found", "does not have Open MPI in its PATH"},
      {"The value of the MCA parameter \"plm_rsh_agent\" was set to a path\nthat could not be found:", "openssh-client"},
      {"mpirun: Error: unknown option \"--nonsense\"", "--nonsense of --mpirun-args"},
      {"[mpiexec@vm] match_arg (./utils/args.c:163): unrecognized argument display-map", "not Open MPI's"},
      {"ORTE has lost communication with a remote daemon.\n\n  HNP daemon   : [[1,0],0] on node alpha\n"
       "  Remote daemon: [[1,0],1] on node beta\n",
       "host beta is gone"},
  };
  for (const auto& [output, expected] : cases) EXPECT_THAT(why(output), HasSubstr(expected)) << output;
}

TEST(JobEnd, NothingKnownIsStillAnEnd) {
  EXPECT_EQ(why(std::string(kMap) + "-----\nA strange thing\nhappened.\n", 132),
            "mpirun ended with exit code 132 (A strange thing); --log-level debug shows all its words");
  EXPECT_EQ(why("", 1), "mpirun ended with exit code 1; --log-level debug shows all its words");
  EXPECT_THAT(explain_job_end("the worker", "", W_EXITCODE(0, 6)), HasSubstr("the worker was killed by signal 6 (Aborted)"));
}

}  // namespace
}  // namespace weft
