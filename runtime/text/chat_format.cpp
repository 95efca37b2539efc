#include "runtime/text/chat_format.h"

#include <nlohmann/json.hpp>

#include "runtime/text/text_file.h"

namespace weft {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using Named = std::map<std::string, std::string>;

Named templates_of_files(const fs::path& directory) {
  Named templates;
  if (fs::exists(directory / "chat_template.jinja")) templates["default"] = read_file(directory / "chat_template.jinja");
  if (const fs::path more = directory / "additional_chat_templates"; fs::is_directory(more))
    for (const auto& entry : fs::directory_iterator(more))
      if (entry.path().extension() == ".jinja") templates[entry.path().stem().string()] = read_file(entry.path());
  return templates;
}

// A text, a list of {"name", "template"}, or an object of texts by name.
Named templates_of_json(const Json& value) {
  if (value.is_null()) return {};
  if (value.is_string()) return {{"default", value.get<std::string>()}};
  if (value.is_object()) return value.get<Named>();
  Named templates;
  for (const Json& entry : value) templates[entry.at("name")] = entry.at("template");
  return templates;
}

}  // namespace

std::map<std::string, std::string> read_chat_templates(const fs::path& directory, const Json& config) {
  if (Named found = templates_of_files(directory); !found.empty()) return found;
  if (Named found = templates_of_json(config.value("chat_template", Json())); !found.empty()) return found;
  if (!fs::exists(directory / "chat_template.json")) return {};
  return templates_of_json(Json::parse(read_file(directory / "chat_template.json")).value("chat_template", Json()));
}

}  // namespace weft
