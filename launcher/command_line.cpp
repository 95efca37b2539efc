#include "launcher/command_line.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <numeric>

#include "kernels/core/check.h"
#include "launcher/help.h"
#include "runtime/weights/json.h"

namespace weft {
namespace {

using Json = nlohmann::json;

// Levenshtein's distance.
size_t edits_between(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j)
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])}));
  }
  return row.back();
}

// Of the command and its option groups, which are apps without a name.
std::vector<const CLI::Option*> options_of(const CLI::App& app) {
  std::vector<const CLI::Option*> all = app.get_options();
  for (const CLI::App* group : app.get_subcommands([](const CLI::App* sub) { return sub->get_name().empty(); }))
    for (const CLI::Option* option : options_of(*group)) all.push_back(option);
  return all;
}

// "max-tokens" of --max-tokens; empty for positionals.
std::string flag_name(const CLI::Option& option) { return option.get_lnames().empty() ? "" : option.get_lnames().front(); }

const CLI::Option* find_flag(const CLI::App& command, const std::string& name) {
  for (const CLI::Option* option : options_of(command))
    if (flag_name(*option) == name) return option;
  return nullptr;
}

// "; did you mean --max-tokens?", or nothing where no name is near.
std::string suggestion(const CLI::App& command, const std::string& name, const char* dashes) {
  std::string nearest;
  size_t distance = std::max<size_t>(2, name.size() / 3) + 1;
  for (const CLI::Option* option : options_of(command))
    if (const size_t d = edits_between(name, flag_name(*option)); d < distance) {
      distance = d;
      nearest = flag_name(*option);
    }
  return nearest.empty() ? "" : cat("; did you mean ", dashes, nearest, "?");
}

bool is_flag(const std::string& word) { return word.size() > 2 && word.starts_with("--"); }
std::string name_of(const std::string& word) { return word.substr(2, word.find('=') - 2); }

// The words that give the option this value.
std::vector<std::string> words_for(const CLI::Option& option, const Json& value, const std::string& where) {
  const std::string flag = cat("--", flag_name(option));
  if (!takes_value(option)) {
    if (!value.is_boolean()) bad_input(where, " is ", value.dump(), "; it must be true or false");
    return value.get<bool>() ? std::vector{flag} : std::vector<std::string>{};
  }
  if (value.is_array() && option.get_expected_max() > 1) {
    std::vector<std::string> words;
    for (const Json& item : value)
      for (std::string& word : words_for(option, item, where)) words.push_back(std::move(word));
    return words;
  }
  if (!value.is_string() && !value.is_number()) bad_input(where, " is ", value.dump(), "; it must be a string or a number");
  return {cat(flag, "=", value.is_string() ? value.get<std::string>() : value.dump())};
}

}  // namespace

CommandLine::CommandLine(const CLI::App& app, int argc, char** argv)
    : words_(argv + 1, argv + argc), command_(find_command(app)) {
  for (size_t i = first_argument_; i < words_.size(); ++i) given_ += (given_.empty() ? "" : " ") + words_[i];
  check_flags();
  read_config();
}

const CLI::App& CommandLine::find_command(const CLI::App& app) {
  if (first_argument_ == words_.size() || words_[first_argument_].starts_with("-")) return app;
  const std::string& word = words_[first_argument_];
  std::string known;
  for (const CLI::App* command : app.get_subcommands(nullptr)) {
    if (command->get_name().empty()) continue;
    if (command->get_name() == word) {
      ++first_argument_;
      return find_command(*command);
    }
    known += (known.empty() ? "" : ", ") + command->get_name();
  }
  if (!known.empty()) bad_input("unknown command ", word, "; known are ", known);
  return app;
}

// CLI11 would rather complain of a required flag that is missing.
void CommandLine::check_flags() const {
  for (size_t i = first_argument_; i < words_.size() && words_[i] != "--"; ++i)
    if (is_flag(words_[i]) && !find_flag(command_, name_of(words_[i])))
      bad_input("unknown flag --", name_of(words_[i]), suggestion(command_, name_of(words_[i]), "--"), " (see --help)");
}

void CommandLine::read_config() {
  std::set<std::string> given;       // on the command line
  std::set<const CLI::App*> groups;  // of which one may be given, and is
  for (size_t i = first_argument_; i < words_.size(); ++i) {
    if (!is_flag(words_[i])) continue;
    const std::string name = name_of(words_[i]);
    given.insert(name);
    for (const CLI::App* group : command_.get_subcommands([](const CLI::App* sub) { return sub->get_name().empty(); }))
      if (find_flag(*group, name)) groups.insert(group);
    if (name != "config") continue;
    if (!config_.empty()) bad_input("--config is given twice");
    const bool joined = words_[i].find('=') != std::string::npos;
    if (!joined && i + 1 == words_.size()) bad_input("--config needs a file");
    config_ = joined ? words_[i].substr(words_[i].find('=') + 1) : words_[i + 1];
    if (config_.empty()) bad_input("--config needs a file");
  }
  if (config_.empty()) return;

  std::vector<std::string> words;
  const Json object = parse_json_object(read_text_file(config_), cat("--config: ", config_));
  for (const auto& [key, value] : object.items()) {
    const CLI::Option* option = find_flag(command_, key);
    if (!option || key == "config" || key == "help" || key == "help-all")
      bad_input("--config: ", config_, " has the unknown key ", key, suggestion(command_, key, ""));
    if (given.contains(key)) continue;
    if (std::any_of(groups.begin(), groups.end(), [&](const CLI::App* group) { return find_flag(*group, key); })) continue;
    for (std::string& word : words_for(*option, value, cat("--config: ", config_, ": ", key)))
      words.push_back(std::move(word));
    from_config_.insert(key);
  }
  words_.insert(words_.begin() + static_cast<std::ptrdiff_t>(first_argument_), words.begin(), words.end());
}

std::string CommandLine::origins() const {
  std::string text;
  for (const CLI::Option* option : options_of(command_)) {
    const std::string name = flag_name(*option);
    if (name.empty() || name == "help" || name == "help-all" || name == "config" || name == "print-config") continue;
    const bool set = option->count() > 0;
    std::string value = set ? CLI::detail::join(option->results(), " ") : option->get_default_str();
    if (!takes_value(*option)) value = set ? "true" : "false";
    text += cat(name, " = ", value, "  (", !set ? "default" : from_config_.contains(name) ? config_ : "command line", ")\n");
  }
  return text;
}

}  // namespace weft
