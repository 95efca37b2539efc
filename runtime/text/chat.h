#pragma once
// A conversation as a request gives it and a model's chat template reads it: OpenAI's and Hugging Face's messages.
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

// JSON keeps the order of an object's members and tells 1 from 1.0: templates print both.
struct Chat {
  using Json = nlohmann::ordered_json;

  Json messages = Json::array();    // objects {"role": ..., "content": text or [{"type": "text", "text": ...}, ...], ...}
  Json tools = nullptr;             // null, or objects: usually {"type": "function", "function": {...}}
  Json documents = nullptr;         // null, or objects: usually {"title": ..., "text": ...}
  Json variables = Json::object();  // more names for the template: {"enable_thinking": false}
  std::string template_name;        // of a model with several; empty: "tool_use" if tools are given, else "default"
  std::optional<bool> generation_prompt;  // the template begins an answer; unset: yes unless a field is continued
  std::string continued_field;            // "content", "reasoning_content": the answer goes on with this text of the last
                                          // message; empty: it is a message of its own
  bool special_tokens_as_text = false;    // those that the caller's texts spell out, see special_text.h

  bool begins_answer() const { return generation_prompt.value_or(continued_field.empty()); }
};

Chat chat_of(std::string_view user_message);

// The JSON of a chat file: a list of messages, or an object {"messages", "tools", "documents", "chat_template_kwargs",
// "chat_template" (a name), "add_generation_prompt", "continue_final_message" (true, or a field's name),
// "special_tokens_as_text"}; other members are refused. Checked.
Chat chat_from_json(const Chat::Json& json);
std::vector<std::string> chat_members();  // the names of that object's members

// Refuses what no template can read, naming the member: "messages[2].content must be ...". Parts that are no text
// (images, audio, video) are refused too.
void check(const Chat& chat);

// JSON text of at most 100 levels; `what` names it in the sentence of an error.
Chat::Json parse_chat_json(std::string_view text, std::string_view what);

}  // namespace weft
