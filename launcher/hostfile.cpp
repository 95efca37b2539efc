#include "launcher/hostfile.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <regex>

#include "kernels/core/check.h"

namespace weft {
namespace {

bool means_slots(const std::string& key) { return key == "slots" || key == "cpus" || key == "cpu" || key == "count"; }

// The slots=N of a line, if there is one. `settings` is what follows the host.
std::optional<int> slots_of(const std::string& settings, const std::string& where) {
  static const std::regex setting("([A-Za-z_-]+)\\s*=\\s*(\\S+)\\s*");
  std::optional<int> slots;
  for (auto at = settings.begin(); at != settings.end();) {
    std::smatch found;
    if (!std::regex_search(at, settings.end(), found, setting, std::regex_constants::match_continuous))
      bad_input(where, " has '", std::string(at, settings.end()), "' behind its host; a line is HOST slots=N");
    if (means_slots(found[1])) {
      const std::string value = found[2];
      int n = 0;
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), n);
      if (error != std::errc() || end != value.data() + value.size() || n < 1)
        bad_input(where, " has ", found.str(1), '=', value, "; it must be a number from 1");
      slots = n;
    }
    at = found[0].second;
  }
  return slots;
}

}  // namespace

std::vector<HostfileHost> read_hostfile(std::istream& file, const std::string& name) {
  static const std::regex host("\\s*((?:[^\\s@=]+@)?[A-Za-z0-9][A-Za-z0-9._:-]*)(?:\\s+|$)");
  std::vector<HostfileHost> hosts;
  int number = 0;
  for (std::string line; std::getline(file, line);) {
    const std::string where = cat("--hostfile ", name, " line ", ++number);
    line = line.substr(0, line.find('#'));
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    std::smatch found;
    if (!std::regex_search(line, found, host, std::regex_constants::match_continuous))
      bad_input(where, " is '", line, "'; a line is HOST slots=N");
    const std::optional<int> slots = slots_of(found.suffix(), where);
    const auto known = std::find_if(hosts.begin(), hosts.end(), [&](const HostfileHost& h) { return h.name == found[1]; });
    if (known == hosts.end())
      hosts.push_back({found[1], slots});
    else
      known->slots = known->slots.value_or(1) + slots.value_or(1);
  }
  if (hosts.empty()) bad_input("--hostfile ", name, " names no host; a line is HOST slots=N");
  return hosts;
}

std::vector<HostfileHost> check_hostfile(const std::string& path, int ranks) {
  if (std::filesystem::is_directory(path)) bad_input("--hostfile ", path, " is a directory, not a file of hosts");
  std::ifstream file(path);
  if (!file) bad_input("--hostfile ", path, " cannot be read: ", std::strerror(errno));
  const std::vector<HostfileHost> hosts = read_hostfile(file, path);
  int slots = 0;
  for (const HostfileHost& host : hosts) {
    if (!host.slots) return hosts;
    slots += *host.slots;
  }
  if (slots < ranks)
    bad_input("--hostfile ", path, " has slots for ", slots, " of ", ranks,
              " ranks; raise slots=N behind its hosts, or lower --ranks");
  return hosts;
}

}  // namespace weft
