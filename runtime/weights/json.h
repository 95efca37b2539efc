#pragma once
// JSON files of objects, as checkpoints and settings are. For .cpp files.
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace weft {

// Parses an object and refuses what nlohmann's parser lets pass: duplicate keys, and nesting deeper than 64.
// `what` names the text in the error.
nlohmann::json parse_json_object(std::string_view text, const std::string& what);

// A name from a file as an error may show it: quoted, ASCII, shortened.
std::string in_quotes(std::string_view text);

// A value as a sentence shows it: ASCII, shortened.
std::string shown(const nlohmann::json& value);
std::string shown(const nlohmann::ordered_json& value);

// A small text file whole; refuses one over 256 MiB.
std::string read_text_file(const std::string& path);

}  // namespace weft
