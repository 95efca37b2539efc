#include "launcher/tokenize.h"

#include <cstdio>
#include <fstream>
#include <sstream>

#include "kernels/core/check.h"
#include "launcher/open_tokenizer.h"
#include "runtime/text/chat_encoder.h"

namespace weft {
namespace {

using Json = Chat::Json;

Json read_input(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) bad_input("cannot read --input ", path);
  std::ostringstream text;
  text << in.rdbuf();
  Json json = parse_chat_json(text.str(), "--input " + path);
  for (const char* kind : {"texts", "chats"})
    if (json.is_object() && json.size() == 1 && json.contains(kind) && json[kind].is_array()) return json;
  bad_input("--input ", path, " must be a JSON object {\"texts\": [strings]} or {\"chats\": [chats]}");
}

}  // namespace

int run_tokenize(const std::string& model_path, const std::string& input) {
  const Json json = read_input(input);
  const std::unique_ptr<Tokenizer> tokenizer = open_tokenizer(model_path);
  const ChatEncoder chats(*tokenizer);

  Json results = Json::array();
  const auto add = [&](const std::vector<int32_t>& ids, const std::string& text) {
    results.push_back({{"ids", ids}, {"text", text}});
  };
  const auto where = [&](const char* kind) { return cat("--input ", input, ": ", kind, "[", results.size(), "]"); };
  for (const Json& text : json.value("texts", Json::array())) {
    if (!text.is_string()) bad_input(where("texts"), " must be a string, not ", text.type_name());
    const std::vector<int32_t> ids = tokenizer->encode(text.get_ref<const std::string&>(), false, true);
    add(ids, tokenizer->decode(ids, false));
  }
  for (const Json& chat : json.value("chats", Json::array())) {
    try {
      const ChatEncoder::Prompt prompt = chats.encode(chat_from_json(chat));
      add(prompt.ids, prompt.text);
    } catch (const InputError& error) {
      bad_input(where("chats"), ": ", error.what());
    }
  }
  std::printf("%s\n", Json({{"results", results}}).dump().c_str());
  return 0;
}

}  // namespace weft
