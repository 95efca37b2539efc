#pragma once
// Doing without a host that fell silent, where the others of the hostfile have room for all ranks.
#include <map>
#include <string>
#include <vector>

#include "launcher/hostfile.h"

namespace weft {

class SpareHosts {
 public:
  SpareHosts(std::vector<HostfileHost> hosts, int ranks);

  // From now on, for ten minutes: then a host may be well again.
  void leave_out(const std::string& host);
  // mpirun's command with the hosts to use in the place of its --hostfile, or as it is: if all are to be used, if the others have
  // too few slots, or if the hostfile leaves it to mpirun to count them.
  std::vector<std::string> narrow(std::vector<std::string> command) const;

 private:
  const std::vector<HostfileHost> hosts_;
  const int ranks_;
  std::map<std::string, double> left_out_;  // until now_s() is
};

}  // namespace weft
