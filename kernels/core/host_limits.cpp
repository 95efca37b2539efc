#include "kernels/core/host_limits.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <string_view>
#include <vector>

namespace weft {
namespace {

namespace fs = std::filesystem;

struct Group {
  fs::path folder;
  bool v2 = false;
};

bool lists(const std::string& controllers, std::string_view wanted) {
  std::istringstream names(controllers);
  for (std::string name; std::getline(names, name, ',');)
    if (name == wanted) return true;
  return false;
}

// This process's groups that may limit what `controller` controls, each followed by all above it. A container may see its own
// group as the root of the mount, and its path as the host knows it; then only the root exists.
std::vector<Group> groups(const fs::path& root, std::string_view controller) {
  std::vector<Group> found;
  const fs::path mounts = root / "sys/fs/cgroup";
  const auto add = [&](const fs::path& mount, fs::path path, bool v2) {
    for (path = path.relative_path(); !path.empty(); path = path.parent_path())
      if (path.begin()->string() != "..") found.push_back({mount / path, v2});
    found.push_back({mount, v2});
  };
  std::ifstream own(root / "proc/self/cgroup");
  for (std::string line; std::getline(own, line);) {  // "4:cpu,cpuacct:/a/b"; of version 2 "0::/a/b"
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1), path = line.substr(second + 1);
    if (controllers.empty()) {
      add(mounts, path, true);
      add(mounts / "unified", path, true);
    } else if (lists(controllers, controller)) {
      add(mounts / controllers, path, false);
    }
  }
  return found;
}

// The number a file begins with; "max" is none.
std::optional<int64_t> number_in(const fs::path& file) {
  std::ifstream in(file);
  int64_t value = 0;
  if (in >> value) return value;
  return std::nullopt;
}

// Of lines "name value", the sum of those that are named.
int64_t sum_of(const fs::path& file, std::initializer_list<std::string_view> names) {
  std::ifstream in(file);
  std::string name;
  int64_t sum = 0;
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    int64_t value = 0;
    if (words >> name >> value && std::find(names.begin(), names.end(), name) != names.end()) sum += value;
  }
  return sum;
}

}  // namespace

MemoryLimit memory_limit(const std::string& root) {
  const fs::path meminfo = fs::path(root + "/") / "proc/meminfo";
  constexpr int64_t unknown = std::numeric_limits<int64_t>::max();
  const int64_t ram = sum_of(meminfo, {"MemTotal:"}) * 1024, free = sum_of(meminfo, {"MemAvailable:"}) * 1024;
  MemoryLimit least{ram ? ram : unknown, free ? free + sum_of(meminfo, {"SwapFree:"}) * 1024 : ram ? ram : unknown, "RAM"};
  for (const Group& group : groups(root + "/", "memory")) {
    const int64_t cached = group.v2 ? sum_of(group.folder / "memory.stat", {"inactive_file", "active_file"})
                                    : sum_of(group.folder / "memory.stat", {"total_inactive_file", "total_active_file"});
    const auto used = number_in(group.folder / (group.v2 ? "memory.current" : "memory.usage_in_bytes"));
    for (const char* name : {"memory.max", "memory.high", "memory.limit_in_bytes"}) {
      const auto limit = number_in(group.folder / name);
      if (!limit) continue;
      const int64_t available = std::max<int64_t>(*limit - std::max<int64_t>(used.value_or(0) - cached, 0), 0);
      if (available < least.available) least = {*limit, available, (group.folder / name).string()};
    }
  }
  return least;
}

double cpu_quota(const std::string& root) {
  double least = std::numeric_limits<double>::infinity();
  const auto take = [&](double quota, double period) {
    if (quota > 0 && period > 0) least = std::min(least, quota / period);
  };
  for (const Group& group : groups(root + "/", "cpu")) {
    double quota = 0, period = 0;
    if (std::ifstream in(group.folder / "cpu.max"); in >> quota >> period) take(quota, period);
    take(static_cast<double>(number_in(group.folder / "cpu.cfs_quota_us").value_or(0)),
         static_cast<double>(number_in(group.folder / "cpu.cfs_period_us").value_or(0)));
  }
  return least;
}

}  // namespace weft
