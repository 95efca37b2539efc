// Reads tokenizer.json (Hugging Face `tokenizers`) and the files beside it.
#include <nlohmann/json.hpp>

#include "kernels/core/check.h"
#include "runtime/text/hf_added_tokens.h"
#include "runtime/text/hf_components.h"
#include "runtime/text/text_file.h"
#include "runtime/text/tokenizer_parts.h"

namespace weft {
namespace {

using Json = nlohmann::json;

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
    const Json added_tokens = read_json_if_present(directory / "added_tokens.json");
    read_added_tokens(file.value("added_tokens", Json::array()), {config, special_map, added_tokens}, parts);
    read_post_processor(file.value("post_processor", Json()), parts);
    parts.decoder = read_decoder(file.value("decoder", Json()));
    parts.chat.templates = read_chat_templates(directory, config);
    return parts;
  } catch (const Json::exception& error) {
    bad_input(path.string(), " or a file beside it is malformed: ", error.what());
  } catch (const InputError& error) {
    bad_input(path.string(), ": ", error.what());
  }
}

}  // namespace weft
