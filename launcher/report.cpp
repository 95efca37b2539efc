#include "launcher/report.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <ctime>
#include <fstream>
#include <sstream>

#include "kernels/core/thread_pool.h"
#include "launcher/version.h"

namespace weft {
namespace {

using Json = nlohmann::ordered_json;

// The first line of /proc/cpuinfo with this key; empty on machines that have none.
std::string cpu_info(const std::string& key) {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with(key)) return line.substr(std::min(line.size(), line.find(':') + 2));
  return "";
}

// Of those the kernels choose between.
std::string instruction_sets() {
  std::istringstream flags(cpu_info("flags"));
  std::string found;
  for (std::string flag; flags >> flag;)
    if (flag == "avx2" || flag == "avx512f" || flag == "avx512_vnni" || flag == "avx512_bf16")
      found += (found.empty() ? "" : " ") + flag;
  return found;
}

std::string now_utc() {
  const std::time_t now = std::time(nullptr);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", std::gmtime(&now));
  return text;
}

// RFC 4180.
std::string csv_field(const Json& value) {
  if (value.is_null()) return "";
  if (!value.is_string()) return value.dump();
  std::string quoted = "\"";
  for (const char c : value.get<std::string>()) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + '"';
}

}  // namespace

void add_report_flags(CLI::App& command, ReportFormat& format) {
  auto* json = command.add_flag_callback(
      "--json", [&format] { format = ReportFormat::json; }, "one JSON object a row, on one line");
  command
      .add_flag_callback(
          "--csv", [&format] { format = ReportFormat::csv; }, "a line of names, then one of values a row")
      ->excludes(json);
}

Report::Report(ReportFormat format, const std::string& flags)
    : format_(format),
      flags_(flags),
      cpu_(cpu_info("model name")),
      instruction_sets_(instruction_sets()),
      cpus_(available_cpus()) {}

void Report::row(const Json& fields) {
  Json row = {
      {"revision", version()}, {"date", now_utc()}, {"cpu", cpu_}, {"cpus", cpus_}, {"instruction_sets", instruction_sets_},
      {"flags", flags_}};
  row.update(fields);
  if (format_ == ReportFormat::json) {
    std::printf("%s\n", row.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
  } else {
    std::string names, values;
    for (const auto& [name, value] : row.items()) {
      names += (names.empty() ? "" : ",") + name;
      values += (values.empty() ? "" : ",") + csv_field(value);
    }
    if (!std::exchange(has_header_, true)) std::printf("%s\n", names.c_str());
    std::printf("%s\n", values.c_str());
  }
  std::fflush(stdout);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

void add_spread(Json& row, const std::string& name, const std::vector<double>& values) {
  const bool none = values.empty();
  row[name] = none ? Json() : Json(median(values));
  row[name + "_min"] = none ? Json() : Json(*std::min_element(values.begin(), values.end()));
  row[name + "_max"] = none ? Json() : Json(*std::max_element(values.begin(), values.end()));
}

}  // namespace weft
