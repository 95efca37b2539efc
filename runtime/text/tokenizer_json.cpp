// Reads tokenizer.json (Hugging Face `tokenizers`) and the files beside it.
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "kernels/core/check.h"
#include "runtime/text/hf_components.h"
#include "runtime/text/tokenizer_parts.h"

namespace weft {
namespace {

using Json = nlohmann::json;

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) bad_input("cannot read ", path.string());
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

Json read_json(const std::filesystem::path& path) {
  try {
    return Json::parse(read_file(path));
  } catch (const Json::exception& error) {
    bad_input(path.string(), " is not valid JSON: ", error.what());
  }
}

Json read_json_if_present(const std::filesystem::path& path) {
  return std::filesystem::exists(path) ? read_json(path) : Json::object();
}

std::vector<AddedToken> read_added_tokens(const Json& list) {
  std::vector<AddedToken> tokens;
  for (const Json& entry : list) {
    AddedToken token{.id = entry.at("id"), .content = entry.at("content")};
    if (token.content.empty()) bad_input("added token ", token.id, " has no content");
    if (token.id < 0 || token.id >= kMaxVocabulary) {
      bad_input("added token '", token.content, "' has id ", token.id, "; ids lie between 0 and ", kMaxVocabulary - 1);
    }
    token.special = entry.value("special", false);
    token.lstrip = entry.value("lstrip", false);
    token.rstrip = entry.value("rstrip", false);
    token.single_word = entry.value("single_word", false);
    token.normalized = entry.value("normalized", !token.special);
    tokens.push_back(std::move(token));
  }
  return tokens;
}

// A special token in tokenizer_config.json or special_tokens_map.json: a text or an object with its content.
std::string token_content(const Json& config, const char* key) {
  const auto found = config.find(key);
  if (found == config.end() || found->is_null()) return {};
  return found->is_object() ? found->at("content").get<std::string>() : found->get<std::string>();
}

std::optional<int32_t> find_token(const TokenizerParts& parts, const std::string& content) {
  for (const AddedToken& token : parts.added_tokens) {
    if (token.content == content) return token.id;
  }
  const int32_t id = parts.bpe.vocabulary().find(content);
  return id == kNoToken ? std::nullopt : std::optional(id);
}

// "chat_template" is a text, or a list of named ones of which "default" is the one for chat.
std::string read_chat_template(const std::filesystem::path& directory, const Json& config) {
  if (std::filesystem::exists(directory / "chat_template.jinja")) return read_file(directory / "chat_template.jinja");
  const auto found = config.find("chat_template");
  if (found == config.end() || found->is_null()) return {};
  if (found->is_string()) return *found;
  for (const Json& entry : *found) {
    if (entry.at("name") == "default") return entry.at("template");
  }
  return {};
}

}  // namespace

TokenizerParts read_hf_tokenizer(const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / "tokenizer.json";
  const Json file = read_json(path);
  const Json config = read_json_if_present(directory / "tokenizer_config.json");
  const Json special_map = read_json_if_present(directory / "special_tokens_map.json");
  try {
    TokenizerParts parts{.normalizer = read_normalizer(file.value("normalizer", Json())),
                         .pre_tokenizer = PreTokenizer(read_pre_tokenizer(file.value("pre_tokenizer", Json()))),
                         .bpe = read_bpe(file.at("model"))};
    parts.added_tokens = read_added_tokens(file.value("added_tokens", Json::array()));
    read_post_processor(file.value("post_processor", Json()), parts);
    parts.decoder = read_decoder(file.value("decoder", Json()));
    for (const auto& [key, id] : {std::pair("bos_token", &parts.bos), {"eos_token", &parts.eos}}) {
      std::string content = token_content(config, key);
      if (content.empty()) content = token_content(special_map, key);
      if (!content.empty()) *id = find_token(parts, content);
    }
    parts.chat_template = read_chat_template(directory, config);
    return parts;
  } catch (const Json::exception& error) {
    bad_input(path.string(), " or a file beside it is malformed: ", error.what());
  } catch (const InputError& error) {
    bad_input(path.string(), ": ", error.what());
  }
}

}  // namespace weft
