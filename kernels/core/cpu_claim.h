#pragma once
// CPUs that this process's threads have to themselves among all Weft processes of the machine: servers beside each other pin
// their threads to different CPUs, or not at all.
#include <span>
#include <vector>

namespace weft {

// A CPU is held by a Unix socket of its name in the abstract namespace, which any user may make, which needs no file, and which
// the kernel frees when its holder ends, however it ends. Processes in another network namespace do not see it.
class CpuClaim {
 public:
  CpuClaim() = default;  // no CPU
  // The first n of the candidates that nobody holds; no CPU if there are fewer.
  CpuClaim(std::span<const int> candidates, int n);
  CpuClaim(CpuClaim&& other) noexcept { swap(other); }
  CpuClaim& operator=(CpuClaim&& other) noexcept;
  ~CpuClaim();

  const std::vector<int>& cpus() const { return cpus_; }

 private:
  void swap(CpuClaim& other) noexcept;

  std::vector<int> cpus_, sockets_;
};

}  // namespace weft
