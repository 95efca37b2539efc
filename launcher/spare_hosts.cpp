#include "launcher/spare_hosts.h"

#include <algorithm>

#include "kernels/core/check.h"
#include "kernels/core/log.h"
#include "parallel/poll_until.h"

namespace weft {

constexpr double kLeftOut = 600;  // seconds

SpareHosts::SpareHosts(std::vector<HostfileHost> hosts, int ranks) : hosts_(std::move(hosts)), ranks_(ranks) {}

void SpareHosts::leave_out(const std::string& host) { left_out_[host] = now_s() + kLeftOut; }

std::vector<std::string> SpareHosts::narrow(std::vector<std::string> command) const {
  const auto flag = std::find(command.begin(), command.end(), "--hostfile");
  std::string list, missing;
  int slots = 0;
  for (const HostfileHost& host : hosts_) {
    if (!host.slots) return command;
    const auto silent = left_out_.find(host.name);
    if (silent != left_out_.end() && now_s() < silent->second) {
      missing += (missing.empty() ? "" : ", ") + host.name;
      continue;
    }
    list += cat(list.empty() ? "" : ",", host.name, ':', *host.slots);
    slots += *host.slots;
  }
  if (missing.empty() || slots < ranks_ || flag == command.end()) return command;
  log_warn("the ranks are started without ", missing, ", which fell silent");
  flag[0] = "--host";
  flag[1] = list;
  return command;
}

}  // namespace weft
