#include "runtime/text/chat.h"

#include "kernels/core/check.h"
#include "runtime/text/chat_template.h"
#include "tests/runtime/text/text_golden.h"

namespace weft {
namespace {

using Json = Chat::Json;
using testing::HasSubstr;

Chat parse(const std::string& text) { return chat_from_json(parse_chat_json(text, "the file")); }

std::string render(const std::string& source, const Chat& chat) {
  return ChatTemplate({{{"default", source}}, {}}).render(chat);
}

template <class F>
std::string error_of(F f) {
  try {
    f();
    return "none";
  } catch (const InputError& error) {
    return error.what();
  }
}
std::string error_in(const std::string& chat) {
  return error_of([&] { parse(chat); });
}
// Of a template that writes the contents of a conversation whose last message is this one.
std::string continue_error(const std::string& message, const std::string& field = "content") {
  return error_of([&] {
    render("{% for m in messages %}{{ m.content | default('') | replace('gone', '') }}{% endfor %}",
           parse(R"({"messages": [)" + message + R"(], "continue_final_message": ")" + field + R"("})"));
  });
}

TEST(ChatTemplate, WritesWhatTransformersWrites) {
  const Json cases = read_golden<Json>("chats.json"), goldens = read_golden<Json>("chats_golden.json");
  ASSERT_EQ(cases.size(), goldens.size());
  for (size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(cases[i].dump());
    std::ifstream file(text_golden_dir() / "templates" / cases[i]["template"].get<std::string>());
    const std::string source(std::istreambuf_iterator<char>(file), {});
    const auto write = [&] {
      return ChatTemplate({{{"default", source}}, {{"bos_token", "<s>"}, {"eos_token", "</s>"}}})
          .render(chat_from_json(cases[i]["chat"]));
    };
    if (goldens[i].contains("error"))
      EXPECT_THROW(write(), InputError);
    else
      EXPECT_EQ(write(), goldens[i]["text"].get<std::string>());
  }
}

TEST(ChatTemplate, PicksItsTemplateAsTransformersDoes) {
  const ChatTemplate several(
      {{{"default", "d"}, {"tool_use", "t"}, {"rag", "{{ documents[0].title }}"}, {"bad", "{{"}}, {}});
  const auto write = [&](const std::string& rest) {
    return several.render(parse(R"({"messages": [{"role": "user"}])" + rest + "}"));
  };
  EXPECT_EQ(write(""), "d");
  EXPECT_EQ(write(R"(, "tools": [])"), "t");
  EXPECT_EQ(write(R"(, "tools": null)"), "d");
  EXPECT_EQ(write(R"(, "chat_template": "rag", "documents": [{"title": "D"}], "tools": [])"), "D");
  EXPECT_THAT(error_of([&] { write(R"(, "chat_template": "x")"); }),
              HasSubstr("the name x; it has bad, default, rag, tool_use"));
  EXPECT_THAT(error_of([&] { write(R"(, "chat_template": "bad")"); }), HasSubstr("is not supported: "));
  EXPECT_THAT(error_of([&] { ChatTemplate({}).render(chat_of("x")); }), HasSubstr("has no chat template"));
  EXPECT_TRUE(several.usable());
  EXPECT_FALSE(ChatTemplate({{{"default", "{{"}}, {}}).usable());
}

TEST(ChatTemplate, GivesSpecialTokensThatVariablesMayReplace) {
  const ChatTemplate chat(
      {{{"default", "{{ pad_token }}|{{ unk_token }}|{{ eos_token }}"}}, {{"pad_token", "<p>"}, {"unk_token", "<u>"}}});
  EXPECT_EQ(chat.render(chat_of("x")), "<p>|<u>|");
  EXPECT_EQ(chat.render(parse(R"({"messages": [{"role": "user"}], "chat_template_kwargs": {"pad_token": 1}})")), "1|<u>|");
}

TEST(ChatTemplate, SaysWhyAMessageCannotBeContinued) {
  EXPECT_THAT(continue_error(R"({"role": "assistant"})"), HasSubstr("the last message has no content to continue"));
  EXPECT_THAT(continue_error(R"({"role": "assistant", "content": []})"), HasSubstr("content has no text to continue"));
  EXPECT_THAT(continue_error(R"({"role": "assistant", "content": "a gone"})"), HasSubstr("leaves out part of it"));
  EXPECT_THAT(continue_error(R"({"role": "assistant", "reasoning": "a"})", "reasoning"),
              HasSubstr("does not read reasoning"));
}

TEST(Chat, BadMembersAreNamedWithTheirPlace) {
  EXPECT_THAT(error_in("[]"), HasSubstr("the chat has no messages"));
  EXPECT_THAT(error_in("{}"), HasSubstr("the chat has no messages"));
  EXPECT_THAT(error_in("3"), HasSubstr("messages must be a list of objects, not number"));
  EXPECT_THAT(error_in(R"(["a"])"), HasSubstr("messages[0] must be an object, not string"));
  EXPECT_THAT(error_in(R"([{"content": "a"}])"), HasSubstr("messages[0] has no role"));
  EXPECT_THAT(error_in(R"([{"role": 1}])"), HasSubstr("messages[0].role must be a text, not number"));
  EXPECT_THAT(error_in(R"([{"role": "user"}, {"role": "user", "content": 1}])"),
              HasSubstr("messages[1].content must be a text or a list"));
  EXPECT_THAT(error_in(R"([{"role": "user", "content": [1]}])"), HasSubstr("messages[0].content[0] must be an object"));
  EXPECT_THAT(error_in(R"([{"role": "user", "content": [{"text": "a"}]}])"),
              HasSubstr("messages[0].content[0] has no type"));
  EXPECT_THAT(error_in(R"([{"role": "user", "content": [{"type": "text", "text": 1}]}])"),
              HasSubstr("content[0].text must be a text"));
  EXPECT_THAT(error_in(R"([{"role": "user", "content": [{"type": "image_url"}]}])"),
              HasSubstr("has the type image_url; models run here read text only"));
  EXPECT_THAT(error_in(R"([{"role": "user", "tool_calls": {}}])"), HasSubstr("messages[0].tool_calls must be a list"));
  EXPECT_THAT(error_in(R"([{"role": "user", "name": []}])"), HasSubstr("messages[0].name must be a text"));
  const auto with = [](const std::string& rest) { return error_in(R"({"messages": [{"role": "user"}], )" + rest + "}"); };
  EXPECT_THAT(with(R"("tools": {})"), HasSubstr("tools must be a list of objects, not object"));
  EXPECT_THAT(with(R"("tools": [1])"), HasSubstr("tools[0] must be an object"));
  EXPECT_THAT(with(R"("documents": "x")"), HasSubstr("documents must be a list"));
  EXPECT_THAT(with(R"("chat_template_kwargs": [])"), HasSubstr("variables of the chat template must be an object"));
  EXPECT_THAT(with(R"("chat_template_kwargs": {"tools": 1})"), HasSubstr("tools may not be set as a variable"));
  EXPECT_THAT(with(R"("add_generation_prompt": 1)"), HasSubstr("add_generation_prompt must be true or false, not 1"));
  EXPECT_THAT(with(R"("continue_final_message": 1)"), HasSubstr("continue_final_message must be true or false"));
  EXPECT_THAT(with(R"("continue_final_message": true, "add_generation_prompt": true)"), HasSubstr("exclude each other"));
  EXPECT_THAT(with(R"("temperature": 1)"), HasSubstr("no member temperature; it may have messages, tools"));
  EXPECT_THAT(error_in("{"), HasSubstr("the file is not valid JSON: parse error at line 1"));
  EXPECT_THAT(error_in("[\"\xff\"]"), HasSubstr("not valid JSON"));
  EXPECT_THAT(error_in(std::string(1'000'000, '[')), HasSubstr("nested more than 100 levels"));
}

}  // namespace
}  // namespace weft
