#include "runtime/text/chat_template.h"

#include <unicode/uchar.h>

#include <algorithm>
#include <vector>

#include "kernels/core/check.h"
#include "runtime/text/utf8.h"

namespace weft {
namespace {

using Json = Chat::Json;

// Names that a message's reasoning goes by, the one that most templates read first.
constexpr const char* kReasoning[] = {"reasoning_content", "thinking", "reasoning"};

// What transformers writes behind the text that is continued, to find its end in the prompt. The space shows whether the
// template keeps white space there.
constexpr std::string_view kEndMark = "CONTINUE_FINAL_MESSAGE_TAG";

// str.rstrip() and str.strip() of Python.
std::string_view rstrip(std::string_view text) {
  size_t end = 0;
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = utf8_at(text, at);
    at += c.length;
    if (!u_isspace(static_cast<UChar32>(c.value))) end = at;
  }
  return text.substr(0, end);
}
std::string_view strip(std::string_view text) {
  text = rstrip(text);
  while (!text.empty() && u_isspace(static_cast<UChar32>(utf8_at(text, 0).value)))
    text.remove_prefix(utf8_at(text, 0).length);
  return text;
}

const Json* reasoning_of(const Json& message) {
  for (const char* name : kReasoning)
    if (const auto found = message.find(name); found != message.end() && !found->is_null()) return &*found;
  return nullptr;
}

Json message_for_template(const Json& message) {
  const Json* reasoning = reasoning_of(message);
  Json result = Json::object();
  if (reasoning) result["thinking"] = *reasoning;
  for (const auto& [name, value] : message.items())
    if (!value.is_null()) result[name] = value;
  if (reasoning) result["reasoning_content"] = *reasoning;
  return result;
}

// Writes kEndMark behind the text of that field of the message. Returns the text.
std::string mark_end(Json& message, const std::string& field, const std::string& source) {
  if (!message.contains(field)) bad_input("the last message has no ", field, " to continue");
  const Json continued = message[field];
  std::vector<std::string> copies = {field};  // reasoning goes by several names
  if (std::ranges::find(kReasoning, field) != std::end(kReasoning)) {
    copies.assign(std::begin(kReasoning), std::end(kReasoning));
    std::erase_if(copies, [&](const std::string& name) { return !message.contains(name) || message[name] != continued; });
  }
  if (std::ranges::none_of(copies, [&](const std::string& name) { return source.find(name) != std::string::npos; }))
    bad_input("this model's chat template does not read ", field, ", which the answer is to continue");

  const auto mark = [](Json& text) { text = cat(text.get<std::string>(), kEndMark, " "); };
  if (continued.is_string()) {
    for (const std::string& name : copies) mark(message[name]);
    return continued;
  }
  if (continued.is_array())
    for (size_t i = continued.size(); i-- > 0;)
      if (continued[i].contains("text") && continued[i]["text"].is_string()) {
        mark(message[field][i]["text"]);
        return continued[i]["text"];
      }
  bad_input("the last message's ", field, " has no text to continue");
}

// The prompt up to the end of the continued text.
std::string cut_at_mark(std::string prompt, const std::string& continued) {
  const size_t mark = prompt.rfind(kEndMark);
  if (mark == std::string::npos || prompt.find(strip(continued)) == std::string::npos)
    bad_input("the last message cannot be continued: this model's chat template leaves out part of it");
  const bool keeps_space = prompt.substr(mark + kEndMark.size()).starts_with(' ');
  prompt.resize(mark);
  return keeps_space ? prompt : std::string(rstrip(prompt));
}

}  // namespace

ChatTemplate::ChatTemplate(ChatFormat format) : special_tokens_(std::move(format.special_tokens)) {
  for (auto& [name, source] : format.templates) {
    Named& entry = templates_[name];
    entry.source = std::move(source);
    try {
      entry.parsed.emplace(entry.source);
    } catch (const InputError& error) {
      entry.error = error.what();
    }
  }
}

bool ChatTemplate::usable() const {
  return std::ranges::any_of(templates_, [](const auto& entry) { return entry.second.parsed.has_value(); });
}

const ChatTemplate::Named& ChatTemplate::pick(const Chat& chat) const {
  if (templates_.empty()) bad_input("this model has no chat template");
  std::string name = chat.template_name;
  if (name.empty()) name = !chat.tools.is_null() && templates_.contains("tool_use") ? "tool_use" : "default";
  if (const auto found = templates_.find(name); found != templates_.end()) return found->second;
  std::string known;
  for (const auto& [other, entry] : templates_) known += (known.empty() ? "" : ", ") + other;
  bad_input("this model has no chat template of the name ", name, "; it has ", known);
}

std::string ChatTemplate::render(const Chat& chat) const {
  const Named& chosen = pick(chat);
  if (!chosen.parsed) bad_input("this model's chat template is not supported: ", chosen.error);
  Json variables = special_tokens_;
  variables.update(chat.variables);
  variables["messages"] = Json::array();
  for (const Json& message : chat.messages) variables["messages"].push_back(message_for_template(message));
  variables["tools"] = chat.tools;
  variables["documents"] = chat.documents;
  variables["add_generation_prompt"] = chat.begins_answer();
  if (chat.continued_field.empty()) return chosen.parsed->render(variables);
  const std::string continued = mark_end(variables["messages"].back(), chat.continued_field, chosen.source);
  return cut_at_mark(chosen.parsed->render(variables), continued);
}

}  // namespace weft
