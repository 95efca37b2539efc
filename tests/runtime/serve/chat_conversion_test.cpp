#include "runtime/serve/chat_conversion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/core/check.h"

namespace weft {
namespace {

using Json = Chat::Json;
using testing::HasSubstr;

std::string error_of(const std::function<void(v1::Chat&, v1::ChatMessage&)>& spoil) {
  v1::Chat p;
  p.add_messages()->set_role("user");
  spoil(p, *p.mutable_messages(0));
  try {
    from_proto(p);
    return "none";
  } catch (const InputError& error) {
    return error.what();
  }
}

TEST(ChatConversion, EveryFieldReachesTheTemplate) {
  v1::Chat p;
  p.add_messages()->set_role("user");
  v1::ChatMessage& message = *p.add_messages();
  message.set_role("assistant");
  message.add_content_parts()->set_type("text");
  message.mutable_content_parts(0)->set_text("t");
  message.mutable_content_parts(0)->set_more_json(R"({"cache": true})");
  message.set_reasoning_content("r");
  v1::ToolCall& call = *message.add_tool_calls();
  call.set_id("c1");
  call.set_name("f");
  call.set_arguments_json(R"({"z": 1.0, "a": 1})");
  message.add_tool_calls()->set_name("g");
  message.set_tool_call_id("c0");
  message.set_name("n");
  message.set_more_json(R"({"citations": []})");
  p.set_tools_json(R"([{"type": "function"}])");
  p.set_documents_json(R"([{"title": "d"}])");
  p.set_template_variables_json(R"({"enable_thinking": false})");
  p.set_template_name("rag");
  p.set_continue_final_message("reasoning_content");
  p.set_special_tokens_as_text(true);
  const Chat chat = from_proto(p);
  EXPECT_EQ(
      chat.messages.dump(),
      R"([{"role":"user","content":""},{"role":"assistant","content":[{"type":"text","text":"t","cache":true}],)"
      R"("reasoning_content":"r","tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":)"
      R"({"z":1.0,"a":1}}},{"type":"function","function":{"name":"g","arguments":{}}}],"tool_call_id":"c0","name":"n",)"
      R"("citations":[]}])");
  EXPECT_EQ(chat.tools.dump(), R"([{"type":"function"}])");
  EXPECT_EQ(chat.documents.dump(), R"([{"title":"d"}])");
  EXPECT_EQ(chat.variables.dump(), R"({"enable_thinking":false})");
  EXPECT_EQ(chat.template_name, "rag");
  EXPECT_EQ(chat.continued_field, "reasoning_content");
  EXPECT_FALSE(chat.begins_answer());
  EXPECT_TRUE(chat.special_tokens_as_text);
}

TEST(ChatConversion, ChatsTravelWithoutLoss) {
  const Json json = Json::parse(R"({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]},
      {"role": "assistant", "content": null, "tool_calls": [{"function": {"arguments": "{\"a\":1}", "name": "f"}}], "x": 1.0}],
      "tools": [{"b": 1, "a": 2}], "chat_template_kwargs": {"k": [1]}, "add_generation_prompt": false})");
  const Chat chat = chat_from_json(json), again = from_proto(to_proto(chat));
  EXPECT_EQ(again.messages.dump(), chat.messages.dump());
  EXPECT_EQ(again.tools.dump(), chat.tools.dump());
  EXPECT_EQ(again.documents, chat.documents);
  EXPECT_EQ(again.variables, chat.variables);
  EXPECT_EQ(again.generation_prompt, chat.generation_prompt);
}

TEST(ChatConversion, BadValuesAreNamedWithTheirField) {
  EXPECT_THAT(error_of([](auto& p, auto&) { p.clear_messages(); }), HasSubstr("the chat has no messages"));
  EXPECT_THAT(error_of([](auto&, auto& m) { m.clear_role(); }), HasSubstr("messages[0] has no role"));
  EXPECT_THAT(error_of([](auto&, auto& m) {
                m.set_content("");
                m.add_content_parts()->set_type("text");
              }),
              HasSubstr("messages[0] has both content and content_parts"));
  EXPECT_THAT(error_of([](auto&, auto& m) { m.add_content_parts()->set_type("image"); }),
              HasSubstr("messages[0].content[0] has the type image"));
  EXPECT_THAT(error_of([](auto&, auto& m) { m.add_content_parts()->set_more_json("1"); }),
              HasSubstr("messages[0].content_parts[0].more_json must be a JSON object, not number"));
  EXPECT_THAT(error_of([](auto&, auto& m) { m.add_tool_calls(); }), HasSubstr("messages[0].tool_calls[0] has no name"));
  EXPECT_THAT(error_of([](auto&, auto& m) {
                m.add_tool_calls()->set_name("f");
                m.mutable_tool_calls(0)->set_arguments_json("{");
              }),
              HasSubstr("messages[0].tool_calls[0].arguments_json is not valid JSON"));
  EXPECT_THAT(error_of([](auto&, auto& m) { m.set_more_json(R"({"role": "x"})"); }),
              HasSubstr("messages[0].more_json sets role"));
  EXPECT_THAT(error_of([](auto& p, auto&) { p.set_tools_json("["); }), HasSubstr("tools_json is not valid JSON"));
  EXPECT_THAT(error_of([](auto& p, auto&) { p.set_tools_json("[1]"); }), HasSubstr("tools[0] must be an object"));
  EXPECT_THAT(error_of([](auto& p, auto&) { p.set_documents_json("{}"); }), HasSubstr("documents must be a list"));
  EXPECT_THAT(error_of([](auto& p, auto&) { p.set_template_variables_json("[]"); }),
              HasSubstr("variables of the chat template must be an object"));
  EXPECT_THAT(error_of([](auto& p, auto&) {
                p.set_add_generation_prompt(true);
                p.set_continue_final_message("content");
              }),
              HasSubstr("exclude each other"));
}

}  // namespace
}  // namespace weft
