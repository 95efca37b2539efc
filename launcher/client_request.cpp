#include "launcher/client_request.h"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <map>
#include <utility>

#include "kernels/core/check.h"
#include "launcher/chat_file.h"
#include "runtime/serve/chat_conversion.h"
#include "runtime/serve/conversions.h"
#include "runtime/serve/grpc_server.h"
#include "runtime/text/utf8.h"
#include "runtime/weights/json.h"

namespace weft {
namespace {

using Json = Chat::Json;

// A member of a line's object. What is not as wanted is refused with its name and value.
struct Member {
  std::string name;
  const Json& value;

  [[noreturn]] void refuse(const std::string& wanted) const {
    bad_input(name, " is ", shown(value), "; it must be ", wanted);
  }
  bool flag() const {
    if (!value.is_boolean()) refuse("true or false");
    return value.get<bool>();
  }
  float number() const {
    if (!value.is_number()) refuse("a number");
    return value.get<float>();
  }
  template <class T>
  T whole() const {
    const bool fits = value.is_number_unsigned()  ? std::in_range<T>(value.get<uint64_t>())
                      : value.is_number_integer() ? std::in_range<T>(value.get<int64_t>())
                                                  : false;
    if (!fits) refuse(cat("a whole number from ", std::numeric_limits<T>::min(), " to ", std::numeric_limits<T>::max()));
    return value.get<T>();
  }
  std::string text() const {
    if (!value.is_string()) refuse("a text");
    return value.get<std::string>();
  }
  template <class Take>
  void for_each(const Take& take) const {
    if (!value.is_array()) refuse("a list");
    for (size_t i = 0; i < value.size(); ++i) take(Member{cat(name, "[", i, "]"), value[i]});
  }
};

using Set = void (*)(v1::GenerateRequest&, const Member&);

void check_utf8(const char* flag, const std::string& text) {
  if (const size_t bad = find_invalid_utf8(text); bad != std::string::npos)
    bad_input(flag, " is not valid UTF-8: byte ", bad, " is not part of a character");
}

v1::GenerateRequest from_flags(const ClientOptions& o) {
  v1::GenerateRequest r;
  check_utf8("--cache-salt", o.cache_salt);
  *r.mutable_sampling() = to_proto(o.sampling);
  r.mutable_sampling()->clear_seed();
  if (o.seed) r.mutable_sampling()->set_seed(*o.seed);
  r.set_max_tokens(o.max_tokens);
  r.set_ignore_eos(o.ignore_eos);
  r.set_cache_salt(o.cache_salt);
  for (const std::string& stop : o.stop) {
    check_utf8("--stop", stop);
    r.add_stop(stop);
  }
  return r;
}

void set_prompt(v1::GenerateRequest& r, const std::string& text, bool chat) {
  if (chat)
    *r.mutable_chat() = to_proto(chat_of(text));
  else
    r.set_text(text);
}

// Members of a line beside its id and its prompt.
const std::map<std::string, Set> kSettings = {
    {"max_tokens", [](auto& r, const Member& m) { r.set_max_tokens(m.whole<int32_t>()); }},
    {"ignore_eos", [](auto& r, const Member& m) { r.set_ignore_eos(m.flag()); }},
    {"stop",
     [](auto& r, const Member& m) {
       r.clear_stop();
       m.for_each([&](const Member& stop) { r.add_stop(stop.text()); });
     }},
    {"temperature", [](auto& r, const Member& m) { r.mutable_sampling()->set_temperature(m.number()); }},
    {"top_k", [](auto& r, const Member& m) { r.mutable_sampling()->set_top_k(m.whole<int32_t>()); }},
    {"top_p", [](auto& r, const Member& m) { r.mutable_sampling()->set_top_p(m.number()); }},
    {"min_p", [](auto& r, const Member& m) { r.mutable_sampling()->set_min_p(m.number()); }},
    {"repetition_penalty", [](auto& r, const Member& m) { r.mutable_sampling()->set_repetition_penalty(m.number()); }},
    {"presence_penalty", [](auto& r, const Member& m) { r.mutable_sampling()->set_presence_penalty(m.number()); }},
    {"frequency_penalty", [](auto& r, const Member& m) { r.mutable_sampling()->set_frequency_penalty(m.number()); }},
    {"seed", [](auto& r, const Member& m) { r.mutable_sampling()->set_seed(m.whole<uint64_t>()); }},
    {"cache_salt", [](auto& r, const Member& m) { r.set_cache_salt(m.text()); }},
};

[[noreturn]] void refuse_unknown(const std::string& key) {
  std::string known = "id, prompt, token_ids";
  for (const std::string& name : chat_members()) known += ", " + name;
  for (const auto& [name, set] : kSettings) known += ", " + name;
  bad_input("unknown key ", key, "; known are ", known);
}

// Exactly one of "prompt", "token_ids" and the members of a chat, of which "messages" is one.
BatchFile::Line from_json(const Json& object, const ClientOptions& options) {
  if (!object.is_object()) bad_input("a line must be a JSON object");
  if (object.contains("prompt") + object.contains("token_ids") + object.contains("messages") != 1)
    bad_input("a line must have exactly one of prompt, token_ids and messages");
  BatchFile::Line line{.id = nullptr, .request = from_flags(options)};
  v1::GenerateRequest& r = line.request;
  Json chat = Json::object();
  for (const auto& [key, value] : object.items()) {
    const Member member{key, value};
    if (key == "id") {
      if (!value.is_string() && !value.is_number_integer()) member.refuse("a text or a whole number");
      line.id = value;
    } else if (key == "prompt") {
      set_prompt(r, member.text(), options.chat);
    } else if (key == "token_ids") {
      r.mutable_token_ids();
      member.for_each([&](const Member& id) { r.mutable_token_ids()->add_ids(id.whole<int32_t>()); });
    } else if (const auto setting = kSettings.find(key); setting != kSettings.end()) {
      setting->second(r, member);
    } else if (std::ranges::count(chat_members(), key) != 0) {
      chat[key] = value;
    } else {
      refuse_unknown(key);
    }
  }
  if (chat.contains("messages"))
    *r.mutable_chat() = to_proto(chat_from_json(chat));
  else if (!chat.empty())
    bad_input(chat.begin().key(), " goes with messages only");
  return line;
}

}  // namespace

v1::GenerateRequest client_request(const ClientOptions& options) {
  v1::GenerateRequest r = from_flags(options);
  if (options.chat_file) {
    *r.mutable_chat() = to_proto(read_chat_file(*options.chat_file));
  } else {
    check_utf8("--prompt", *options.prompt);
    set_prompt(r, *options.prompt, options.chat);
  }
  return r;
}

BatchFile::BatchFile(const ClientOptions& options)
    : options_(options), name_("--batch " + *options.batch), file_(*options.batch) {
  if (!file_ || file_.peek() == EOF) bad_input("cannot read ", name_, ", or it is empty");
}

BatchFile::Line BatchFile::parse(const std::string& text) const {
  const std::string where = cat(name_, " line ", number_);
  const Json json = parse_chat_json(text, where);
  try {
    Line line = from_json(json, options_);
    constexpr size_t most = max_request_bytes - 64;  // the call around it has a few bytes, too
    if (const size_t bytes = line.request.ByteSizeLong(); bytes > most)
      bad_input("the request has ", bytes, " bytes; a server takes at most ", most);
    return line;
  } catch (const InputError& error) {
    bad_input(where, ": ", error.what());
  }
}

std::optional<BatchFile::Line> BatchFile::next() {
  for (std::string text; std::getline(file_, text);) {
    ++number_;
    if (text.find_first_not_of(" \t\r") != std::string::npos) return parse(text);
  }
  return std::nullopt;
}

int64_t BatchFile::check() {
  if (!std::filesystem::is_regular_file(*options_.batch)) return 0;
  int64_t requests = 0;
  while (next()) ++requests;
  if (requests == 0) bad_input(name_, " holds no request");
  file_.clear();
  file_.seekg(0);
  number_ = 0;
  return requests;
}

}  // namespace weft
