#include "runtime/text/chat_template.h"

#include "kernels/core/check.h"
#include "tests/runtime/text/text_golden.h"

namespace weft {
namespace {

using testing::HasSubstr;

std::string read_template(const std::string& name) {
  std::ifstream file(text_golden_dir() / "templates" / name);
  EXPECT_TRUE(file) << name;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::vector<std::vector<ChatMessage>> read_conversations() {
  std::vector<std::vector<ChatMessage>> conversations;
  for (const auto& messages : read_golden("conversations.json")) {
    auto& conversation = conversations.emplace_back();
    for (const auto& message : messages) conversation.push_back({message.at("role"), message.at("content")});
  }
  return conversations;
}

TEST(ChatTemplate, WritesWhatJinja2Writes) {
  const auto conversations = read_conversations();
  int texts = 0, errors = 0;
  for (const auto& entry : read_golden("chat.json")) {
    SCOPED_TRACE(entry.at("template").get<std::string>() + " on conversation " + entry.at("conversation").dump());
    const ChatTemplate chat(read_template(entry.at("template")));
    const auto apply = [&] {
      return chat.apply(conversations[entry.at("conversation").get<int>()], entry.at("prompt"), "<s>", "</s>");
    };
    if (entry.contains("error")) {
      EXPECT_THROW(apply(), InputError);
      ++errors;
    } else {
      EXPECT_EQ(apply(), entry.at("text").get<std::string>());
      ++texts;
    }
  }
  EXPECT_GT(texts, 80);
  EXPECT_GT(errors, 10);
}

std::string run(const std::string& source) { return ChatTemplate(source).apply({{"user", "hi"}}, true, "<s>", "</s>"); }

std::string error_of(const std::string& source) {
  try {
    return "wrote: " + run(source);
  } catch (const InputError& error) {
    return error.what();
  }
}

TEST(ChatTemplate, WhatIsNotSupportedIsNamedWithItsLine) {
  EXPECT_THAT(error_of("a\nb {% include 'x' %}"), HasSubstr("line 2: the statement 'include' is not supported"));
  EXPECT_THAT(error_of("\n\n{{ x | sort }}"), HasSubstr("line 3: the filter 'sort' is not supported"));
  EXPECT_THAT(error_of("{{ x is callable }}"), HasSubstr("line 1: the test 'callable' is not supported"));
  EXPECT_THAT(error_of("{{ 'a'.title() }}"), HasSubstr("the method 'title' is not supported"));
  EXPECT_THAT(error_of("{{ cycler(1) }}"), HasSubstr("the function 'cycler' is not supported"));
  EXPECT_THAT(error_of("{% for a in b recursive %}{% endfor %}"), HasSubstr("recursive loops are not supported"));
  EXPECT_THAT(error_of("{{ 1 < 2 < 3 }}"), HasSubstr("chain of comparisons"));
  EXPECT_THAT(error_of("{{ 2 ** 3 }}"), HasSubstr("'**' is not supported"));
  EXPECT_THAT(error_of("{% set a, b = [1, 2] %}"), HasSubstr("several names"));
  EXPECT_THAT(error_of("{{ '%s' % 'a' }}"), HasSubstr("'%' between string and string"));
}

TEST(ChatTemplate, SyntaxErrorsAreNamed) {
  EXPECT_THAT(error_of("{{ 'abc }}"), HasSubstr("a string is not closed"));
  EXPECT_THAT(error_of("x\n{{ a "), HasSubstr("line 2: a {{ tag is not closed"));
  EXPECT_THAT(error_of("{# "), HasSubstr("a comment is not closed"));
  EXPECT_THAT(error_of("{% if a %}b"), HasSubstr("expected '{% endif %}', found the end of the template"));
  EXPECT_THAT(error_of("{% if a %}{% endfor %}"), HasSubstr("found '{% endfor %}'"));
  EXPECT_THAT(error_of("{% endif %}"), HasSubstr("unexpected '{% endif %}'"));
  EXPECT_THAT(error_of("{{ }}"), HasSubstr("expected an expression, found the end of the tag"));
  EXPECT_THAT(error_of("{{ (1 }}"), HasSubstr("not closed"));
  EXPECT_THAT(error_of("{{ a b }}"), HasSubstr("unexpected 'b'"));
  EXPECT_THAT(error_of("{{ é }}"), HasSubstr("unexpected character 'é'"));
  EXPECT_THAT(error_of("{{ '\\xzz' }}"), HasSubstr("broken escape"));
  EXPECT_THAT(error_of("{% break %}"), HasSubstr("'break' outside a loop"));
  EXPECT_THAT(error_of("{{ \xff }}"), HasSubstr("not valid UTF-8"));
  EXPECT_THAT(error_of("{%"), HasSubstr("not closed"));
  EXPECT_THAT(error_of("{{ {1: 2} }}"), HasSubstr("only strings are supported"));
}

TEST(ChatTemplate, WrongOperandsAreRefused) {
  EXPECT_THAT(error_of("{{ 1 + 'a' }}"), HasSubstr("'+' between integer and string"));
  EXPECT_THAT(error_of("{{ missing.field }}"), HasSubstr("a member of an undefined value: 'missing'"));
  EXPECT_THAT(error_of("{{ 1 // 0 }}"), HasSubstr("division by zero"));
  EXPECT_THAT(error_of("{{ 5 | length }}"), HasSubstr("the filter 'length' needs a string, list or mapping, not integer"));
  EXPECT_THAT(error_of("{% for a in 5 %}{% endfor %}"), HasSubstr("the for loop needs a list"));
  EXPECT_THAT(error_of("{% for a, b in [1] %}{% endfor %}"), HasSubstr("takes 2 values"));
  EXPECT_THAT(error_of("{{ raise_exception('no tools') }}"), HasSubstr("refuses this conversation: no tools"));
  EXPECT_THAT(error_of("{% set x = 1 %}{% set x.y = 2 %}"), HasSubstr("'x' is not a namespace"));
  EXPECT_THAT(error_of("{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}"), HasSubstr("takes 1 arguments, not 2"));
}

TEST(ChatTemplate, TimeTextAndDepthAreBounded) {
  EXPECT_THAT(error_of("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"),
              HasSubstr("steps"));
  EXPECT_THAT(error_of("{{ range(10000000) }}"), HasSubstr("gives more than"));
  EXPECT_THAT(error_of("{{ 'abc' * 1000000000000 }}"), HasSubstr("64 MiB"));
  EXPECT_THAT(error_of("{% set n = namespace(s='x') %}{% for i in range(99) %}{% set n.s = n.s ~ n.s %}{% endfor %}"),
              HasSubstr("steps"));
  EXPECT_THAT(error_of("{% set n = namespace(s=[1]) %}{% for i in range(99) %}{% set n.s = n.s + n.s %}{% endfor %}"),
              HasSubstr("steps"));
  EXPECT_THAT(error_of("{% set n = namespace() %}{% set n.n = [n] %}"), HasSubstr("into itself"));
  EXPECT_THAT(error_of("{% set n = namespace(s=1) %}{% for i in range(99999) %}{% set n.s = [n.s] %}{% endfor %}"),
              HasSubstr("steps"));
  EXPECT_THAT(error_of("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"), HasSubstr("macros within each other"));
  EXPECT_THAT(error_of("{{ " + std::string(400, '(') + "1" + std::string(400, ')') + " }}"), HasSubstr("nesting"));
  EXPECT_THAT(error_of("{{ " + std::string(100'000, '(')), HasSubstr("a tag of more than"));
  EXPECT_THAT(error_of("{{ 1e999 }}"), HasSubstr("out of range"));
  std::string ifs;
  for (int i = 0; i < 100'000; ++i) ifs += "{% if 1 %}";
  EXPECT_THAT(error_of(ifs), HasSubstr("nesting"));
  std::string sum = "{{ 1";
  for (int i = 0; i < 100'000; ++i) sum += "+1";
  EXPECT_THAT(error_of(sum + " }}"), HasSubstr("a tag of more than"));
}

TEST(ChatTemplate, MessagesMustBeUtf8) {
  EXPECT_THROW(ChatTemplate("{{ messages }}").apply({{"user", "\xff"}}, true, "", ""), InputError);
}

}  // namespace
}  // namespace weft
