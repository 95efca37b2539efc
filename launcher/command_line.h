#pragma once
// The words of the command line, joined by those of --config FILE, a JSON object of flag names without dashes and their
// values: {"dtype": "f32", "threads": 2, "chat": true, "stop": ["\n", "###"]}. Flags given on the command line win.
#include <set>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace weft {

class CommandLine {
 public:
  // Throws InputError for an unknown command, a flag or key that the command does not have (naming the nearest), and a
  // file that cannot be read or is no such object. The values themselves are checked where flags are parsed.
  CommandLine(const CLI::App& app, int argc, char** argv);

  // What App::parse(vector) takes: the last word first.
  std::vector<std::string> reversed() const { return {words_.rbegin(), words_.rend()}; }

  // The arguments as they were written, separated by spaces.
  const std::string& given() const { return given_; }

  // One line a flag: name, value, and whether the command line, the file or nobody set it. After parsing.
  std::string origins() const;

 private:
  const CLI::App& find_command(const CLI::App& app);
  void check_flags() const;
  void read_config();

  std::vector<std::string> words_;
  std::string given_;
  size_t first_argument_ = 0;  // of words_, behind the names of command and subcommand
  const CLI::App& command_;
  std::string config_;                 // the file, empty without one
  std::set<std::string> from_config_;  // flags it sets
};

}  // namespace weft
