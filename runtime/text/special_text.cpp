#include "runtime/text/special_text.h"

#include <algorithm>
#include <random>

namespace weft {
namespace {

using Json = Chat::Json;

constexpr std::string_view kSpaces = " \t\n\r\f\v";

// `first` and 15 octal digits: no such number overlaps itself or one that begins otherwise, whatever digits stand around it.
std::string draw_mark(char first, const std::string& not_in) {
  std::random_device random;
  for (;;) {
    std::string mark(1, first);
    while (mark.size() < 16) mark += static_cast<char>('0' + random() % 8);
    if (not_in.find(mark) == std::string::npos) return mark;
  }
}

std::vector<AddedToken> kept_apart(std::span<const AddedToken> tokens, std::string_view template_source, bool only_special) {
  std::vector<AddedToken> kept;
  for (const AddedToken& token : tokens) {
    const bool written = token.content.find_first_not_of(kSpaces) != std::string::npos &&
                         template_source.find(token.content) != std::string_view::npos;
    if (token.special || (written && !only_special)) kept.push_back({.id = token.id, .content = token.content});
  }
  return kept;
}

bool begins_one_of(const std::vector<std::string>& sorted, std::string_view text) {
  const auto found = std::ranges::lower_bound(sorted, text);
  return found != sorted.end() && found->starts_with(text);
}

}  // namespace

SpecialText::Guard::Guard(std::vector<AddedToken> tokens) : finder(tokens) {
  for (const AddedToken& token : tokens) {
    contents.push_back(token.content);
    reversed.emplace_back(token.content.rbegin(), token.content.rend());
    longest = std::max(longest, token.content.size());
  }
  std::ranges::sort(contents);
  std::ranges::sort(reversed);
}

bool SpecialText::Guard::ends_with_begin_of_token(std::string_view text) const {
  for (size_t n = std::min(text.size(), longest); n > 0; --n)
    if (begins_one_of(contents, text.substr(text.size() - n))) return true;
  return false;
}

bool SpecialText::Guard::begins_with_end_of_token(std::string_view text) const {
  const std::string_view head = text.substr(0, longest);
  const std::string backwards(head.rbegin(), head.rend());
  for (size_t n = backwards.size(); n > 0; --n)
    if (begins_one_of(reversed, std::string_view(backwards).substr(backwards.size() - n))) return true;
  return false;
}

SpecialText::SpecialText(std::span<const AddedToken> tokens, std::string_view template_source, const Chat& chat)
    : special_(kept_apart(tokens, template_source, true)), all_(kept_apart(tokens, template_source, false)) {
  const std::string texts = chat.messages.dump() + chat.tools.dump() + chat.documents.dump() + chat.variables.dump();
  open_ = draw_mark('9', texts);
  close_ = draw_mark('8', texts);
}

std::string SpecialText::mark(std::string_view text, const Guard& guard) const {
  const size_t first = text.find_first_not_of(kSpaces);
  if (first == std::string_view::npos) return std::string(text);
  const size_t last = text.find_last_not_of(kSpaces) + 1;
  const std::string_view middle = text.substr(first, last - first);
  std::string marked(text.substr(0, first));
  if (guard.begins_with_end_of_token(middle)) marked += close_;
  for (const auto& [begin, end, id] : guard.finder.split(middle, true)) {
    const std::string_view part = middle.substr(begin, end - begin);
    if (id == kNoToken)
      marked += part;
    else
      marked.append(open_).append(part).append(close_);
  }
  if (guard.ends_with_begin_of_token(middle)) marked += close_;
  return marked += text.substr(last);
}

void SpecialText::mark(Json& json, const Guard& guard) const {
  if (json.is_string()) {
    json = mark(json.get_ref<const std::string&>(), guard);
  } else if (json.is_array()) {
    for (Json& item : json) mark(item, guard);
  } else if (json.is_object()) {
    Json marked = Json::object();
    for (auto& [name, value] : json.items()) {
      mark(value, guard);
      marked[mark(name, guard)] = std::move(value);
    }
    json = std::move(marked);
  }
}

Chat SpecialText::mark(Chat chat) const {
  for (Json& message : chat.messages) mark(message, message["role"] == "assistant" ? special_ : all_);
  for (Json* json : {&chat.tools, &chat.documents, &chat.variables}) mark(*json, all_);
  return chat;
}

SpecialText::Prompt SpecialText::unmark(std::string_view rendered) const {
  Prompt prompt;
  const size_t size = open_.size();
  size_t at = 0, next_open = rendered.find(open_), next_close = rendered.find(close_);
  for (;;) {
    if (next_open < at) next_open = rendered.find(open_, at);
    if (next_close < at) next_close = rendered.find(close_, at);
    const size_t found = std::min(next_open, next_close);
    prompt.text += rendered.substr(at, found - at);
    if (found == std::string_view::npos) return prompt;
    at = found + size;
    const size_t begin = prompt.text.size();
    if (found == next_open) {
      const std::string_view ahead = rendered.substr(at, all_.longest + size);
      const size_t length = ahead.find(close_);
      if (length != std::string_view::npos && std::ranges::binary_search(all_.contents, ahead.substr(0, length))) {
        prompt.text += ahead.substr(0, length);
        at += length + size;
      }
    }
    prompt.literal.push_back({begin, prompt.text.size()});
  }
}

}  // namespace weft
