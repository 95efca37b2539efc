#pragma once
// What this process may take of its machine: RAM and CPU time, or less where a cgroup says so. Every level counts, from the
// process's own group up to the root of what it sees, in version 2 (memory.max, memory.high, cpu.max), in version 1
// (memory.limit_in_bytes, cpu.cfs_quota_us) and where both are mounted. What cannot be read limits nothing.
#include <cstdint>
#include <string>

namespace weft {

// Of RAM and all cgroups, the one that leaves least.
struct MemoryLimit {
  int64_t limit = 0;      // bytes
  int64_t available = 0;  // bytes of them that no process uses, or that the kernel gives up when asked: cached files
  std::string source;     // "RAM", or the cgroup's file
};

// root: the folder that holds proc and sys.
MemoryLimit memory_limit(const std::string& root = "");

// CPUs' worth of time, possibly a fraction; infinity without a quota.
double cpu_quota(const std::string& root = "");

}  // namespace weft
