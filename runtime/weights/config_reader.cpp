#include "runtime/weights/config_reader.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "kernels/core/check.h"
#include "runtime/weights/json.h"

namespace weft {
namespace {

using nlohmann::json;

bool is_integer(const json& value) { return value.is_number_integer(); }
bool is_text(const json& value) { return value.is_string(); }
bool is_list_of(bool (*test)(const json&), const json& value) {
  return value.is_array() && std::all_of(value.begin(), value.end(), test);
}

}  // namespace

struct ConfigReader::State {
  json object;
  std::string what;
  std::set<std::string> read = {};
  std::map<std::string, std::shared_ptr<State>> children = {};

  // nullptr: missing or null
  const json* find(const std::string& key) {
    read.insert(key);
    const auto found = object.find(key);
    return found == object.end() || found->is_null() ? nullptr : &*found;
  }

  template <class Test>
  const json& get(const std::string& key, const char* wanted, Test test) {
    const json* value = find(key);
    if (!value) bad_input(what, " has no ", key);
    if (!test(*value)) bad_input(what, ": ", key, " must be ", wanted, ", not ", shown(*value));
    return *value;
  }

  void finish() const {
    for (const auto& [key, value] : object.items())
      if (!read.contains(key) && !value.is_null()) bad_input(what, ": unknown key ", key, " = ", shown(value));
    for (const auto& [key, child] : children) child->finish();
  }
};

ConfigReader::ConfigReader(std::shared_ptr<State> state) : state_(std::move(state)) {}

ConfigReader::ConfigReader(const std::string& json_text, const std::string& what)
    : ConfigReader(std::make_shared<State>(State{parse_json_object(json_text, what), what})) {}

ConfigReader ConfigReader::with(const Aliases& aliases) const {
  ConfigReader other = *this;
  other.aliases_.insert(other.aliases_.begin(), aliases.begin(), aliases.end());
  return other;
}

const std::string& ConfigReader::spelled(const std::string& key) const {
  const auto alias = std::find_if(aliases_.begin(), aliases_.end(), [&](const auto& a) { return a.first == key; });
  return alias == aliases_.end() ? key : alias->second;
}

bool ConfigReader::has(const std::string& key) const { return state_->find(spelled(key)); }

int64_t ConfigReader::integer(const std::string& key, int64_t low, int64_t high) const {
  const json& value = state_->get(spelled(key), "an integer", is_integer);
  // A number of 2^63 or more is unsigned in nlohmann's JSON, and negative as an int64_t.
  const bool fits = !value.is_number_unsigned() || value.get<uint64_t>() <= INT64_MAX;
  if (!fits || value.get<int64_t>() < low || value.get<int64_t>() > high)
    bad_input(state_->what, ": ", spelled(key), " is ", value.dump(), ", allowed are ", low, " to ", high);
  return value.get<int64_t>();
}

double ConfigReader::number(const std::string& key) const {
  return state_->get(spelled(key), "a number", [](const json& v) { return v.is_number(); }).get<double>();
}

bool ConfigReader::flag(const std::string& key) const {
  return state_->get(spelled(key), "true or false", [](const json& v) { return v.is_boolean(); }).get<bool>();
}

std::string ConfigReader::text(const std::string& key) const {
  return state_->get(spelled(key), "a string", is_text).get<std::string>();
}

std::string ConfigReader::one_of(const std::string& key, std::initializer_list<const char*> allowed) const {
  const std::string value = text(key);
  std::string known;
  for (const char* each : allowed) {
    if (value == each) return value;
    known += (known.empty() ? "" : ", ") + std::string(each);
  }
  bad_input(state_->what, ": ", spelled(key), " ", in_quotes(value), " is not supported; known are ", known);
}

std::vector<double> ConfigReader::numbers(const std::string& key) const {
  const auto is_number = [](const json& v) { return v.is_number(); };
  return state_->get(spelled(key), "a list of numbers", [&](const json& v) { return is_list_of(is_number, v); })
      .get<std::vector<double>>();
}

std::vector<int64_t> ConfigReader::integers(const std::string& key) const {
  const json& value = state_->get(spelled(key), "an integer or a list of integers",
                                  [](const json& v) { return is_integer(v) || is_list_of(is_integer, v); });
  return value.is_array() ? value.get<std::vector<int64_t>>() : std::vector<int64_t>{value.get<int64_t>()};
}

std::vector<std::string> ConfigReader::texts(const std::string& key) const {
  return state_->get(spelled(key), "a list of strings", [](const json& v) { return is_list_of(is_text, v); })
      .get<std::vector<std::string>>();
}

ConfigReader ConfigReader::object(const std::string& key) const {
  const std::string& name = spelled(key);
  const json& value = state_->get(name, "an object", [](const json& v) { return v.is_object(); });
  std::shared_ptr<State>& child = state_->children[name];
  if (!child) child = std::make_shared<State>(State{value, cat(state_->what, ": ", name)});
  return ConfigReader(child);
}

double ConfigReader::number(const std::string& key, double fallback) const { return has(key) ? number(key) : fallback; }

bool ConfigReader::flag(const std::string& key, bool fallback) const { return has(key) ? flag(key) : fallback; }

std::string ConfigReader::text(const std::string& key, const std::string& fallback) const {
  return has(key) ? text(key) : fallback;
}

void ConfigReader::finish() const { state_->finish(); }

}  // namespace weft
