#include "runtime/text/chat.h"

#include <algorithm>
#include <array>

#include "kernels/core/check.h"
#include "runtime/text/utf8.h"

namespace weft {
namespace {

using Json = Chat::Json;

constexpr int kMaxDepth = 100;
constexpr std::array kNotText = {"image", "image_url", "video", "video_url", "audio", "audio_url", "input_audio"};
constexpr std::array kOwnNames = {"messages", "tools", "documents", "add_generation_prompt"};

void check_text(const Json& object, const char* key, const std::string& where) {
  const auto found = object.find(key);
  if (found != object.end() && !found->is_null() && !found->is_string())
    bad_input(where, ".", key, " must be a text, not ", found->type_name());
}

void check_objects(const Json& list, const std::string& where) {
  if (list.is_null()) return;
  if (!list.is_array()) bad_input(where, " must be a list of objects, not ", list.type_name());
  for (size_t i = 0; i < list.size(); ++i)
    if (!list[i].is_object()) bad_input(where, "[", i, "] must be an object, not ", list[i].type_name());
}

void check_content(const Json& content, const std::string& where) {
  if (content.is_null() || content.is_string()) return;
  if (!content.is_array()) bad_input(where, " must be a text or a list of parts, not ", content.type_name());
  check_objects(content, where);
  for (size_t i = 0; i < content.size(); ++i) {
    const std::string part = cat(where, "[", i, "]");
    check_text(content[i], "type", part);
    check_text(content[i], "text", part);
    const std::string type = content[i].value("type", "");
    if (type.empty()) bad_input(part, " has no type; a text has the type \"text\"");
    for (const char* other : kNotText)
      if (type == other) bad_input(part, " has the type ", type, "; models run here read text only");
  }
}

void check_message(const Json& message, const std::string& where) {
  for (const char* key : {"role", "name", "tool_call_id", "reasoning_content"}) check_text(message, key, where);
  if (message.value("role", "").empty()) bad_input(where, " has no role");
  if (message.contains("content")) check_content(message["content"], where + ".content");
  if (message.contains("tool_calls")) check_objects(message["tool_calls"], where + ".tool_calls");
}

bool flag(const Json& value, const char* name) {
  if (!value.is_boolean()) bad_input(name, " must be true or false, not ", value.dump());
  return value.get<bool>();
}

std::string text(const Json& value, const char* name) {
  if (!value.is_string()) bad_input(name, " must be a text, not ", value.dump());
  return value.get<std::string>();
}

struct Member {
  const char* name;
  void (*set)(Chat& chat, const Json& value, const char* name);
};
constexpr Member kMembers[] = {
    {"messages", [](Chat& chat, const Json& value, const char*) { chat.messages = value; }},
    {"tools", [](Chat& chat, const Json& value, const char*) { chat.tools = value; }},
    {"documents", [](Chat& chat, const Json& value, const char*) { chat.documents = value; }},
    {"chat_template_kwargs", [](Chat& chat, const Json& value, const char*) { chat.variables = value; }},
    {"chat_template", [](Chat& chat, const Json& value, const char* name) { chat.template_name = text(value, name); }},
    {"add_generation_prompt",
     [](Chat& chat, const Json& value, const char* name) { chat.generation_prompt = flag(value, name); }},
    {"continue_final_message",
     [](Chat& chat, const Json& value, const char* name) {
       if (value.is_string())
         chat.continued_field = value.get<std::string>();
       else if (flag(value, name))
         chat.continued_field = "content";
     }},
    {"special_tokens_as_text",
     [](Chat& chat, const Json& value, const char* name) { chat.special_tokens_as_text = flag(value, name); }},
};

}  // namespace

Chat chat_of(std::string_view user_message) {
  if (const size_t bad = find_invalid_utf8(user_message); bad != std::string_view::npos)
    bad_input("the message is not valid UTF-8: byte ", bad, " is not part of a character");
  Chat chat;
  chat.messages.push_back({{"role", "user"}, {"content", user_message}});
  return chat;
}

std::vector<std::string> chat_members() {
  std::vector<std::string> names;
  for (const Member& member : kMembers) names.push_back(member.name);
  return names;
}

Chat chat_from_json(const Json& json) {
  Chat chat;
  if (!json.is_object()) {
    chat.messages = json;
  } else {
    for (const auto& [name, value] : json.items()) {
      const Member* member = std::ranges::find(kMembers, name, &Member::name);
      if (member == std::end(kMembers)) {
        std::string known;
        for (const Member& other : kMembers) known += cat(known.empty() ? "" : ", ", other.name);
        bad_input("a chat has no member ", name, "; it may have ", known);
      }
      member->set(chat, value, member->name);
    }
  }
  check(chat);
  return chat;
}

void check(const Chat& chat) {
  check_objects(chat.messages, "messages");
  if (chat.messages.empty()) bad_input("the chat has no messages; it must have at least one");
  for (size_t i = 0; i < chat.messages.size(); ++i) check_message(chat.messages[i], cat("messages[", i, "]"));
  check_objects(chat.tools, "tools");
  check_objects(chat.documents, "documents");
  if (!chat.variables.is_object())
    bad_input("the variables of the chat template must be an object, not ", chat.variables.type_name());
  for (const char* name : kOwnNames)
    if (chat.variables.contains(name))
      bad_input("the chat's ", name, " may not be set as a variable of the chat template too");
  if (!chat.continued_field.empty() && chat.begins_answer())
    bad_input(
        "add_generation_prompt and continue_final_message exclude each other: the answer either is a message of its own "
        "or continues the last one");
}

Json parse_chat_json(std::string_view text, std::string_view what) {
  const auto not_too_deep = [&](int depth, Json::parse_event_t, Json&) {
    if (depth > kMaxDepth) bad_input(what, " is nested more than ", kMaxDepth, " levels deep");
    return true;
  };
  try {
    return Json::parse(text, not_too_deep);
  } catch (const Json::exception& error) {
    const std::string_view reason = error.what();  // "[json.exception.parse_error.101] parse error at ..."
    bad_input(what, " is not valid JSON: ", reason.substr(reason.find("] ") + 2));
  }
}

}  // namespace weft
