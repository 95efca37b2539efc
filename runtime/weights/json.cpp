#include "runtime/weights/json.h"

#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "kernels/core/check.h"
#include "runtime/weights/mapped_file.h"

namespace weft {

using nlohmann::json;

json parse_json_object(std::string_view text, const std::string& what) {
  constexpr int kMaxDepth = 64;
  std::vector<std::set<std::string>> keys;  // of the objects that are open
  const auto check = [&](int depth, json::parse_event_t event, json& parsed) {
    if (depth > kMaxDepth) bad_input(what, " is nested deeper than ", kMaxDepth);
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end) keys.pop_back();
    if (event == json::parse_event_t::key && !keys.back().insert(parsed.get<std::string>()).second)
      bad_input(what, " has the key ", in_quotes(parsed.get_ref<const std::string&>()), " twice");
    return true;
  };
  try {
    json value = json::parse(text.begin(), text.end(), check);
    if (!value.is_object()) bad_input(what, " is not a JSON object");
    return value;
  } catch (const json::parse_error& error) {
    bad_input(what, " is not valid JSON at byte ", error.byte);
  } catch (const json::out_of_range&) {
    bad_input(what, " has a number that does not fit");
  }
}

std::string in_quotes(std::string_view text) {
  constexpr size_t kMaxShown = 100;
  std::string shown = json(text.substr(0, kMaxShown)).dump(-1, ' ', true, json::error_handler_t::replace);
  if (text.size() > kMaxShown) shown.insert(shown.size() - 1, "...");
  return shown;
}

namespace {

template <class Json>
std::string shown_text(const Json& value) {
  const std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
  return text.size() <= 60 ? text : text.substr(0, 57) + "...";
}

}  // namespace

std::string shown(const json& value) { return shown_text(value); }
std::string shown(const nlohmann::ordered_json& value) { return shown_text(value); }

std::string read_text_file(const std::string& path) {
  constexpr size_t kMaxBytes = 256u << 20;
  const MappedFile file(path);
  const auto bytes = file.bytes();
  if (bytes.size() > kMaxBytes) bad_input(path, " has ", bytes.size(), " bytes; at most ", kMaxBytes, " are read");
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace weft
