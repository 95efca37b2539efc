#include "kernels/core/host_limits.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace weft {
namespace {

constexpr int64_t kMiB = 1 << 20;
constexpr const char* kGroups = "sys/fs/cgroup/";

// A file tree like the kernel's, in a temporary folder.
class Host {
 public:
  Host() {
    char name[] = "/tmp/weft_host_XXXXXX";
    root = mkdtemp(name);
    write("proc/meminfo", "MemTotal:        8388608 kB\nMemFree:     1 kB\nMemAvailable:    6291456 kB\nSwapFree: 0 kB\n");
  }
  ~Host() { std::filesystem::remove_all(root); }

  void write(const std::string& path, const std::string& text) const {
    const std::filesystem::path file = std::filesystem::path(root) / path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  // A file of a group of cgroup version 2.
  void group(const std::string& path, const std::string& text) const { write(kGroups + path, text); }

  void expect_memory(int64_t limit_mib, int64_t available_mib, const std::string& source) const {
    const MemoryLimit found = memory_limit(root);
    EXPECT_EQ(found.limit / kMiB, limit_mib);
    EXPECT_EQ(found.available / kMiB, available_mib);
    EXPECT_EQ(found.source, source == "RAM" ? source : root + "/" + kGroups + source);
  }

  std::string root;
};

TEST(MemoryLimit, IsRamWithoutCgroups) {
  const Host host;
  host.expect_memory(8192, 6144, "RAM");
  host.write("proc/self/cgroup", "0::/\n");
  host.expect_memory(8192, 6144, "RAM");
}

TEST(MemoryLimit, WhatTheKernelDoesNotTellLimitsNothing) {
  const Host host;
  host.write("proc/meminfo", "MemTotal: 8388608 kB\nMemFree: 1 kB\n");  // before Linux 3.14
  host.expect_memory(8192, 8192, "RAM");
  host.write("proc/meminfo", "");
  EXPECT_GT(memory_limit(host.root).available, int64_t{1} << 60);
}

TEST(MemoryLimit, AnyLevelMayHaveTheLeast) {
  for (const std::string level : {"a/b/c", "a/b", "a"}) {
    const Host host;
    host.write("proc/self/cgroup", "0::/a/b/c\n");
    for (const char* group : {"a/b/c", "a/b", "a"}) host.group(std::string(group) + "/memory.max", "max\n");
    host.group(level + "/memory.max", "734003200\n");
    host.group(level + "/memory.current", "104857600\n");
    host.expect_memory(700, 600, level + "/memory.max");
  }
}

TEST(MemoryLimit, TheLeastIsLeftWhereMostIsUsed) {
  const Host host;
  host.write("proc/self/cgroup", "0::/slice/job\n");
  host.group("slice/memory.max", "1073741824\n");
  host.group("slice/memory.current", "943718400\n");  // by others
  host.group("slice/job/memory.max", "734003200\n");
  host.group("slice/job/memory.current", "1048576\n");
  host.expect_memory(1024, 124, "slice/memory.max");
}

TEST(MemoryLimit, HighCountsAndCachedFilesDoNot) {
  const Host host;
  host.write("proc/self/cgroup", "0::/a\n");
  host.group("a/memory.max", "1073741824\n");
  host.group("a/memory.high", "536870912\n");
  host.group("a/memory.current", "419430400\n");
  host.group("a/memory.stat", "anon 104857600\nfile 314572800\ninactive_file 209715200\nactive_file 104857600\n");
  host.expect_memory(512, 412, "a/memory.high");
}

TEST(MemoryLimit, AContainersOwnGroupIsTheRootItSees) {
  const Host host;
  host.write("proc/self/cgroup", "0::/system.slice/docker-0123.scope\n");  // as the host names it
  host.group("memory.max", "734003200\n");
  host.group("memory.current", "0\n");
  host.expect_memory(700, 700, "memory.max");
  host.write("proc/self/cgroup", "0::/../other:with colon\n");  // outside of what is mounted here
  host.expect_memory(700, 700, "memory.max");
}

TEST(MemoryLimit, Version1AndMixedMounts) {
  const Host host;
  host.write("proc/self/cgroup", "5:cpu,cpuacct:/\n4:memory:/box/inner\n0::/unified.slice\n");
  host.group("memory/memory.limit_in_bytes", "9223372036854771712\n");
  host.group("memory/box/memory.limit_in_bytes", "734003200\n");
  host.group("memory/box/memory.usage_in_bytes", "209715200\n");
  host.group("memory/box/memory.stat", "total_inactive_file 52428800\ntotal_active_file 52428800\n");
  host.expect_memory(700, 600, "memory/box/memory.limit_in_bytes");
  host.group("unified/unified.slice/memory.max", "314572800\n");
  host.expect_memory(300, 300, "unified/unified.slice/memory.max");
}

TEST(MemoryLimit, NonsenseLimitsNothing) {
  const Host host;
  host.write("proc/self/cgroup", "nonsense\n0:\n0::/a\n\n");
  host.group("a/memory.max", "");
  host.group("a/memory.high", "plenty\n");
  host.expect_memory(8192, 6144, "RAM");
}

TEST(CpuQuota, IsTheLeastOfAllLevels) {
  const Host host;
  EXPECT_EQ(cpu_quota(host.root), INFINITY);
  host.write("proc/self/cgroup", "0::/a/b\n");
  host.group("a/b/cpu.max", "max 100000\n");
  EXPECT_EQ(cpu_quota(host.root), INFINITY);
  host.group("a/cpu.max", "150000 100000\n");
  EXPECT_EQ(cpu_quota(host.root), 1.5);
  host.group("a/b/cpu.max", "25000 50000\n");
  EXPECT_EQ(cpu_quota(host.root), 0.5);
}

TEST(CpuQuota, Version1) {
  const Host host;
  host.write("proc/self/cgroup", "5:cpuset:/x\n3:cpu,cpuacct:/a\n");
  host.group("cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  host.group("cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cpu_quota(host.root), INFINITY);
  host.group("cpu,cpuacct/a/cpu.cfs_quota_us", "300000\n");
  host.group("cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cpu_quota(host.root), 3);
}

}  // namespace
}  // namespace weft
