#include "launcher/client_request.h"

#include <algorithm>
#include <fstream>
#include <map>

#include "kernels/core/check.h"
#include "launcher/chat_file.h"
#include "runtime/serve/chat_conversion.h"

namespace weft {
namespace {

using Json = Chat::Json;
using Set = void (*)(v1::GenerateRequest&, const Json&);

v1::GenerateRequest from_flags(const ClientOptions& o) {
  v1::GenerateRequest r;
  v1::SamplingParams& s = *r.mutable_sampling();
  s.set_temperature(o.sampling.temperature);
  s.set_top_k(o.sampling.top_k);
  s.set_top_p(o.sampling.top_p);
  s.set_min_p(o.sampling.min_p);
  s.set_repetition_penalty(o.sampling.repetition_penalty);
  if (o.seed) s.set_seed(*o.seed);
  r.set_max_tokens(o.max_tokens);
  r.set_ignore_eos(o.ignore_eos);
  r.set_cache_salt(o.cache_salt);
  for (const std::string& stop : o.stop) r.add_stop(stop);
  return r;
}

void set_prompt(v1::GenerateRequest& r, const std::string& text, bool chat) {
  if (chat)
    *r.mutable_chat() = to_proto(chat_of(text));
  else
    r.set_text(text);
}

// Members of a line beside its prompt.
const std::map<std::string, Set> kSettings = {
    {"max_tokens", [](auto& r, const Json& v) { r.set_max_tokens(v.get<int>()); }},
    {"ignore_eos", [](auto& r, const Json& v) { r.set_ignore_eos(v.get<bool>()); }},
    {"stop",
     [](auto& r, const Json& v) {
       r.clear_stop();
       for (const std::string& stop : v.get<std::vector<std::string>>()) r.add_stop(stop);
     }},
    {"temperature", [](auto& r, const Json& v) { r.mutable_sampling()->set_temperature(v.get<float>()); }},
    {"top_k", [](auto& r, const Json& v) { r.mutable_sampling()->set_top_k(v.get<int>()); }},
    {"top_p", [](auto& r, const Json& v) { r.mutable_sampling()->set_top_p(v.get<float>()); }},
    {"min_p", [](auto& r, const Json& v) { r.mutable_sampling()->set_min_p(v.get<float>()); }},
    {"repetition_penalty", [](auto& r, const Json& v) { r.mutable_sampling()->set_repetition_penalty(v.get<float>()); }},
    {"seed", [](auto& r, const Json& v) { r.mutable_sampling()->set_seed(v.get<uint64_t>()); }},
    {"cache_salt", [](auto& r, const Json& v) { r.set_cache_salt(v.get<std::string>()); }},
};

// Exactly one of "prompt", "token_ids" and the members of a chat, of which "messages" is one.
v1::GenerateRequest of_line(const std::string& line, const ClientOptions& options, const std::string& where) {
  const Json object = parse_chat_json(line, where);
  if (!object.is_object()) bad_input(where, " is no JSON object");
  if (object.contains("prompt") + object.contains("token_ids") + object.contains("messages") != 1)
    bad_input(where, " must have exactly one of prompt, token_ids and messages");
  v1::GenerateRequest r = from_flags(options);
  Json chat = Json::object();
  for (const auto& [key, value] : object.items()) {
    if (key == "prompt") {
      set_prompt(r, value.get<std::string>(), options.chat);
    } else if (key == "token_ids") {
      const auto ids = value.get<std::vector<int32_t>>();
      r.mutable_token_ids()->mutable_ids()->Assign(ids.begin(), ids.end());
    } else if (const auto setting = kSettings.find(key); setting != kSettings.end()) {
      setting->second(r, value);
    } else if (std::ranges::count(chat_members(), key) != 0) {
      chat[key] = value;
    } else {
      std::string known = "prompt, token_ids";
      for (const std::string& name : chat_members()) known += ", " + name;
      for (const auto& [name, set] : kSettings) known += ", " + name;
      bad_input(where, " has the unknown key ", key, "; known are ", known);
    }
  }
  if (chat.contains("messages"))
    *r.mutable_chat() = to_proto(chat_from_json(chat));
  else if (!chat.empty())
    bad_input(where, " has ", chat.begin().key(), ", which goes with messages only");
  return r;
}

}  // namespace

v1::GenerateRequest client_request(const ClientOptions& options) {
  v1::GenerateRequest r = from_flags(options);
  if (options.chat_file)
    *r.mutable_chat() = to_proto(read_chat_file(*options.chat_file));
  else
    set_prompt(r, *options.prompt, options.chat);
  return r;
}

std::vector<v1::GenerateRequest> client_batch(const ClientOptions& options) {
  std::ifstream file(*options.batch);
  if (!file) bad_input("cannot read --batch ", *options.batch);
  std::vector<v1::GenerateRequest> requests;
  int number = 0;
  for (std::string line; std::getline(file, line);) {
    const std::string where = cat("--batch ", *options.batch, " line ", ++number);
    if (line.empty()) continue;
    try {
      requests.push_back(of_line(line, options, where));
    } catch (const Json::exception& error) {
      bad_input(where, ": ", error.what());
    }
  }
  if (requests.empty()) bad_input("--batch ", *options.batch, " holds no request");
  return requests;
}

}  // namespace weft
