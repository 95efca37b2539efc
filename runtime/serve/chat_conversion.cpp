#include "runtime/serve/chat_conversion.h"

#include "kernels/core/check.h"

namespace weft {
namespace {

using Json = Chat::Json;

void put(Json& object, const char* name, const std::string& value) {
  if (!value.empty()) object[name] = value;
}

void put_more(Json& object, const std::string& json, const std::string& where) {
  if (json.empty()) return;
  const Json more = parse_chat_json(json, where);
  if (!more.is_object()) bad_input(where, " must be a JSON object, not ", more.type_name());
  for (const auto& [name, value] : more.items()) {
    if (object.contains(name)) bad_input(where, " sets ", name, ", which has a field of its own that is set too");
    object[name] = value;
  }
}

Json from_proto(const v1::ContentPart& p, const std::string& where) {
  Json part = Json::object();
  put(part, "type", p.type());
  if (p.type() == "text" || !p.text().empty()) part["text"] = p.text();
  put_more(part, p.more_json(), where + ".more_json");
  return part;
}

Json from_proto(const v1::ToolCall& p, const std::string& where) {
  if (p.name().empty()) bad_input(where, " has no name");
  Json arguments = Json::object();
  if (!p.arguments_json().empty()) arguments = parse_chat_json(p.arguments_json(), where + ".arguments_json");
  Json call = Json::object();
  put(call, "id", p.id());
  call["type"] = "function";
  call["function"] = {{"name", p.name()}, {"arguments", std::move(arguments)}};
  return call;
}

Json from_proto(const v1::ChatMessage& p, const std::string& where) {
  if (p.has_content() && p.content_parts_size() > 0)
    bad_input(where, " has both content and content_parts; set one of them");
  Json message = {{"role", p.role()}};
  if (p.has_content()) message["content"] = p.content();
  for (int i = 0; i < p.content_parts_size(); ++i)
    message["content"].push_back(from_proto(p.content_parts(i), cat(where, ".content_parts[", i, "]")));
  put(message, "reasoning_content", p.reasoning_content());
  for (int i = 0; i < p.tool_calls_size(); ++i)
    message["tool_calls"].push_back(from_proto(p.tool_calls(i), cat(where, ".tool_calls[", i, "]")));
  put(message, "tool_call_id", p.tool_call_id());
  put(message, "name", p.name());
  put_more(message, p.more_json(), where + ".more_json");
  if (message.size() == 1) message["content"] = "";
  return message;
}

}  // namespace

Chat from_proto(const v1::Chat& p) {
  Chat chat;
  for (int i = 0; i < p.messages_size(); ++i) chat.messages.push_back(from_proto(p.messages(i), cat("messages[", i, "]")));
  if (!p.tools_json().empty()) chat.tools = parse_chat_json(p.tools_json(), "tools_json");
  if (!p.documents_json().empty()) chat.documents = parse_chat_json(p.documents_json(), "documents_json");
  if (!p.template_variables_json().empty())
    chat.variables = parse_chat_json(p.template_variables_json(), "template_variables_json");
  chat.template_name = p.template_name();
  if (p.has_add_generation_prompt()) chat.generation_prompt = p.add_generation_prompt();
  chat.continued_field = p.continue_final_message();
  chat.special_tokens_as_text = p.special_tokens_as_text();
  check(chat);
  return chat;
}

v1::Chat to_proto(const Chat& chat) {
  v1::Chat p;
  for (const Json& message : chat.messages) {
    v1::ChatMessage& to = *p.add_messages();
    Json more = Json::object();
    for (const auto& [name, value] : message.items()) {
      if (name == "role")
        to.set_role(value.get<std::string>());
      else if (name == "content" && value.is_string())
        to.set_content(value.get<std::string>());
      else
        more[name] = value;
    }
    if (!more.empty()) to.set_more_json(more.dump());
  }
  if (!chat.tools.is_null()) p.set_tools_json(chat.tools.dump());
  if (!chat.documents.is_null()) p.set_documents_json(chat.documents.dump());
  if (!chat.variables.empty()) p.set_template_variables_json(chat.variables.dump());
  p.set_template_name(chat.template_name);
  if (chat.generation_prompt) p.set_add_generation_prompt(*chat.generation_prompt);
  p.set_continue_final_message(chat.continued_field);
  p.set_special_tokens_as_text(chat.special_tokens_as_text);
  return p;
}

}  // namespace weft
