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

std::string difference(const std::string& first, const Traits& of_first, const std::string& second,
                       const Traits& of_second) {
  const auto trait = [](const Traits& traits, const Traits& others, size_t i) {
    return i < traits.size() ? traits[i] : std::pair(others[i].first, std::string("none"));  // another version of Weft's
  };
  for (size_t i = 0; i < std::max(of_first.size(), of_second.size()); ++i) {
    const auto [subject, here] = trait(of_first, of_second, i);
    const auto [called, there] = trait(of_second, of_first, i);
    if (here != there)
      return cat(subject, " must be the same on all ranks: ", first, " has ", here, ", ", second, " has ", there,
                 subject == called ? "" : cat(" in ", called));
  }
  return "";
}

void require_equal(HostComm& host, const Traits& traits) {
  if (host.size() == 1) return;
  // Paths are bytes, not always UTF-8, which is all that JSON text holds; MessagePack does not look.
  const std::vector<uint8_t> mine = nlohmann::json::to_msgpack({host_name(), traits});
  const std::vector<std::string> all = host.all_gather(std::string(mine.begin(), mine.end()));
  const auto [first_host, first] = nlohmann::json::from_msgpack(all[0]).get<std::pair<std::string, Traits>>();
  for (size_t rank = 1; rank < all.size(); ++rank) {
    if (all[rank] == all[0]) continue;
    const auto [other_host, other] = nlohmann::json::from_msgpack(all[rank]).get<std::pair<std::string, Traits>>();
    const std::string sentence = difference(rank_on_host(0, first_host), first, rank_on_host(rank, other_host), other);
    if (!sentence.empty()) bad_input(sentence);
  }
}

}  // namespace weft
