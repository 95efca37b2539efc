#include "runtime/models/config_reader.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "kernels/core/check.h"

namespace weft {

using json = nlohmann::json;

struct ConfigReader::State {
  json value;
  std::string what;
  mutable std::set<std::string> used;
};

namespace {

// Without the value when it is long: the message stays one sentence.
std::string shown(const json& value) {
  std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  return text.size() <= 60 ? text : text.substr(0, 57) + "...";
}

}  // namespace

ConfigReader::ConfigReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
ConfigReader::~ConfigReader() = default;
ConfigReader::ConfigReader(ConfigReader&&) noexcept = default;

ConfigReader::ConfigReader(const std::string& json_text, const std::string& what) : state_(new State{{}, what, {}}) {
  state_->value = json::parse(json_text, nullptr, false);
  if (state_->value.is_discarded()) bad_input(what, " is not valid JSON");
  if (!state_->value.is_object()) bad_input(what, " must be a JSON object, not ", shown(state_->value));
}

bool ConfigReader::has(const std::string& key) const {
  state_->used.insert(key);
  const auto found = state_->value.find(key);
  return found != state_->value.end() && !found->is_null();
}

#define WEFT_CONFIG_GET(type, wanted, test)                                                                  \
  if (!has(key)) return std::nullopt;                                                                        \
  const json& value = state_->value[key];                                                                    \
  if (!(test)) bad_input(state_->what, ": ", key, " must be ", wanted, ", not ", shown(value));               \
  return value.get<type>();

std::optional<int64_t> ConfigReader::integer(const std::string& key) const {
  WEFT_CONFIG_GET(int64_t, "an integer", value.is_number_integer())
}
std::optional<double> ConfigReader::number(const std::string& key) const {
  WEFT_CONFIG_GET(double, "a number", value.is_number())
}
std::optional<bool> ConfigReader::flag(const std::string& key) const {
  WEFT_CONFIG_GET(bool, "true or false", value.is_boolean())
}
std::optional<std::string> ConfigReader::text(const std::string& key) const {
  WEFT_CONFIG_GET(std::string, "a string", value.is_string())
}
std::optional<std::vector<std::string>> ConfigReader::texts(const std::string& key) const {
  WEFT_CONFIG_GET(std::vector<std::string>, "a list of strings",
                  value.is_array() && std::all_of(value.begin(), value.end(), [](const json& v) { return v.is_string(); }))
}
#undef WEFT_CONFIG_GET

std::optional<std::vector<int64_t>> ConfigReader::integers(const std::string& key) const {
  if (!has(key)) return std::nullopt;
  const json& value = state_->value[key];
  const auto integral = [](const json& v) { return v.is_number_integer(); };
  if (integral(value)) return std::vector<int64_t>{value.get<int64_t>()};
  if (!value.is_array() || !std::all_of(value.begin(), value.end(), integral))
    bad_input(state_->what, ": ", key, " must be an integer or a list of integers, not ", shown(value));
  return value.get<std::vector<int64_t>>();
}

std::optional<ConfigReader> ConfigReader::object(const std::string& key) const {
  if (!has(key)) return std::nullopt;
  const json& value = state_->value[key];
  if (!value.is_object()) bad_input(state_->what, ": ", key, " must be an object, not ", shown(value));
  return ConfigReader(std::unique_ptr<State>(new State{value, state_->what + ": " + key, {}}));
}

int64_t ConfigReader::required(const std::string& key, int64_t low, int64_t high) const {
  const auto value = integer(key);
  if (!value) bad_input(state_->what, " has no ", key);
  if (*value < low || *value > high) bad_input(state_->what, ": ", key, " is ", *value, ", allowed are ", low, " to ", high);
  return *value;
}

double ConfigReader::required_number(const std::string& key) const {
  const auto value = number(key);
  if (!value) bad_input(state_->what, " has no ", key);
  return *value;
}

bool ConfigReader::required_flag(const std::string& key) const {
  const auto value = flag(key);
  if (!value) bad_input(state_->what, " has no ", key);
  return *value;
}

void ConfigReader::only(const std::string& key, const std::string& allowed) const {
  const std::string value = text(key).value_or(allowed);
  if (value != allowed) bad_input(state_->what, ": ", key, " \"", value, "\" is not supported, only \"", allowed, "\"");
}

void ConfigReader::finish() const {
  for (const auto& [key, value] : state_->value.items())
    if (!state_->used.contains(key) && !value.is_null()) bad_input(state_->what, ": unknown key ", key, " = ", shown(value));
}

}  // namespace weft
