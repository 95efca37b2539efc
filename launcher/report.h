#pragma once
// Rows of a benchmark: text for people, or one JSON object or CSV line a row, which says where it was measured.
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace weft {

enum class ReportFormat { text, json, csv };
void add_report_flags(CLI::App& command, ReportFormat& format);  // --json, --csv

class Report {
 public:
  // flags: the words of the command line, part of every row.
  Report(ReportFormat format, const std::string& flags);

  bool is_text() const { return format_ == ReportFormat::text; }  // then the benchmark prints its own lines
  // The row's fields behind those of the machine: revision, date (UTC), cpu, cpus, instruction_sets, flags. All rows of a
  // report have the same fields; a value is a number, a string or null.
  void row(const nlohmann::ordered_json& fields);

 private:
  const ReportFormat format_;
  const std::string flags_, cpu_, instruction_sets_;
  const int cpus_;  // before threads are pinned
  bool has_header_ = false;
};

// NAME, NAME_min and NAME_max of a row: the median and the spread of what was measured; null where nothing was.
void add_spread(nlohmann::ordered_json& row, const std::string& name, const std::vector<double>& values);
double median(std::vector<double> values);

}  // namespace weft
