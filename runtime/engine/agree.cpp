#include "runtime/engine/agree.h"

namespace weft::detail {

std::vector<std::string> values_or_throw(HostComm& host, const std::string& outcome) {
  std::vector<std::string> all = host.all_gather(outcome);
  for (size_t rank = 0; rank < all.size(); ++rank) {
    const char kind = all[rank].at(0);
    all[rank].erase(0, 1);
    if (kind == kDone) continue;
    const std::string sentence = rank == 0 ? all[rank] : cat("rank ", rank, ": ", all[rank]);
    if (kind == kInput) throw InputError(sentence);
    throw CheckError(sentence);
  }
  return all;
}

}  // namespace weft::detail
