#include "runtime/engine/agree.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "parallel/network.h"

namespace weft {
namespace {

std::string rank_on_host(size_t rank, const std::string& host) { return cat("rank ", rank, " on host ", host); }

}  // namespace

namespace detail {

std::vector<std::string> values_or_throw(HostComm& host, const std::string& outcome) {
  std::vector<std::string> all = host.all_gather(outcome);
  const auto failed = std::find_if(all.begin(), all.end(), [](const std::string& one) { return one.at(0) != kDone; });
  if (failed != all.end()) {
    std::string sentence = failed->substr(1);
    if (std::count(all.begin(), all.end(), *failed) != host.size()) {
      const size_t rank = static_cast<size_t>(failed - all.begin());
      sentence = cat(rank_on_host(rank, host.all_gather(host_name())[rank]), ": ", sentence);
    }
    if (failed->at(0) == kInput) throw InputError(sentence);
    throw CheckError(sentence);
  }
  for (std::string& value : all) value.erase(0, 1);
  return all;
}

}  // namespace detail

void require_equal(HostComm& host, const Traits& traits) {
  if (host.size() == 1) return;
  // Paths are bytes, not always UTF-8, which is all that JSON text holds; MessagePack does not look.
  const std::vector<uint8_t> mine = nlohmann::json::to_msgpack({host_name(), traits});
  const std::vector<std::string> all = host.all_gather(std::string(mine.begin(), mine.end()));
  const auto [first_host, first] = nlohmann::json::from_msgpack(all[0]).get<std::pair<std::string, Traits>>();
  for (size_t rank = 1; rank < all.size(); ++rank) {
    if (all[rank] == all[0]) continue;
    const auto [other_host, other] = nlohmann::json::from_msgpack(all[rank]).get<std::pair<std::string, Traits>>();
    for (size_t i = 0; i < std::min(first.size(), other.size()); ++i) {
      if (first[i].second == other[i].second) continue;
      bad_input(first[i].first, " must be the same on all ranks: ", rank_on_host(0, first_host), " has ", first[i].second,
                ", ", rank_on_host(rank, other_host), " has ", other[i].second,
                first[i].first == other[i].first ? "" : cat(" in ", other[i].first));
    }
    WEFT_CHECK(first.size() == other.size(), "rank ", rank, " has ", other.size(), " traits, rank 0 ", first.size());
  }
}

}  // namespace weft
