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

std::string render(const std::string& source, const Chat& chat) {
  return ChatTemplate({{{"default", source}}, {{"bos_token", "<s>"}, {"eos_token", "</s>"}}}).render(chat);
}

TEST(ChatTemplate, WritesWhatJinja2Writes) {
  const auto conversations = read_golden<Chat::Json>("conversations.json");
  int texts = 0, errors = 0;
  for (const auto& entry : read_golden("chat.json")) {
    SCOPED_TRACE(entry.at("template").get<std::string>() + " on conversation " + entry.at("conversation").dump());
    Chat chat;
    chat.messages = conversations[entry.at("conversation").get<int>()];
    chat.generation_prompt = entry.at("prompt");
    const auto apply = [&] { return render(read_template(entry.at("template")), chat); };
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

std::string run(const std::string& source) { return render(source, chat_of("hi")); }

std::string error_of(const std::string& source) {
  try {
    return "wrote: " + run(source);
  } catch (const InputError& error) {
    return error.what();
  }
}

TEST(ChatTemplate, SyntaxErrorsAreNamed) {
  EXPECT_THAT(error_of("{{ 'abc }}"), HasSubstr("a string is not closed"));
  EXPECT_THAT(error_of("x\n{{ a "), HasSubstr("line 2: a {{ tag is not closed"));
  EXPECT_THAT(error_of("{# "), HasSubstr("a comment is not closed"));
  EXPECT_THAT(error_of("{% if a %}b"), HasSubstr("expected '{% endif %}', found the end of the template"));
  EXPECT_THAT(error_of("{% if a %}{% endfor %}"), HasSubstr("found '{% endfor %}'"));
  EXPECT_THAT(error_of("{% endif %}"), HasSubstr("unexpected '{% endif %}'"));
  EXPECT_THAT(error_of("{{ }}"), HasSubstr("expected an expression, found the end of the tag"));
  EXPECT_THAT(error_of("{{ (1 }}"), HasSubstr("unexpected '}'"));
  EXPECT_THAT(error_of("{{ a b }}"), HasSubstr("unexpected 'b'"));
  EXPECT_THAT(error_of("{{ € }}"), HasSubstr("unexpected character '€'"));
  EXPECT_THAT(error_of("{{ '\\xzz' }}"), HasSubstr("broken escape"));
  EXPECT_THAT(error_of("{% break %}"), HasSubstr("'break' outside a loop"));
  EXPECT_THAT(error_of("{{ \xff }}"), HasSubstr("not valid UTF-8"));
  EXPECT_THAT(error_of("{%"), HasSubstr("not closed"));
  EXPECT_THAT(error_of("{{ 1e999 }}"), HasSubstr("out of range"));
}

TEST(ChatTemplate, WrongOperandsAreRefused) {
  EXPECT_THAT(error_of("{{ 1 + 'a' }}"), HasSubstr("'+' between int and str"));
  EXPECT_THAT(error_of("{{ 1 // 0 }}"), HasSubstr("division by zero"));
  EXPECT_THAT(error_of("{{ 5 | length }}"), HasSubstr("the filter 'length' needs a string, list or mapping, not int"));
  EXPECT_THAT(error_of("{% for a in 5 %}{% endfor %}"), HasSubstr("the for loop needs a list"));
  EXPECT_THAT(error_of("{% for a, b in [[1]] %}{% endfor %}"), HasSubstr("2 names cannot take 1 values"));
  EXPECT_THAT(error_of("{{ raise_exception('no tools') }}"), HasSubstr("refuses this conversation: no tools"));
  EXPECT_THAT(error_of("{% set x = 1 %}{% set x.y = 2 %}"), HasSubstr("'x' is not a namespace"));
  EXPECT_THAT(error_of("{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}"), HasSubstr("takes 1 arguments, not 2"));
}

TEST(ChatTemplate, MessagesMustBeUtf8) { EXPECT_THROW(chat_of("\xff"), InputError); }

}  // namespace
}  // namespace weft
