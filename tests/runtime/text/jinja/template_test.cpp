#include "runtime/text/jinja/template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>
#include <nlohmann/json.hpp>

#include "kernels/core/check.h"

namespace weft::jinja {
namespace {

using Json = nlohmann::ordered_json;
using testing::HasSubstr;

Json chat() { return {{"messages", {{{"role", "user"}, {"content", "hi"}}}}, {"bos_token", "<s>"}, {"tools", nullptr}}; }

std::string run(const std::string& source, const Json& variables = chat()) { return Template(source).render(variables); }

std::string error_of(const std::string& source) {
  try {
    return "wrote: " + run(source);
  } catch (const InputError& error) {
    return error.what();
  }
}

TEST(JinjaTemplate, NamesOfFunctionsAndMacrosAreValues) {
  EXPECT_EQ(run("{% if strftime_now is defined %}yes{% endif %} {{ nothing is defined }}"), "yes False");
  EXPECT_EQ(run("{{ range is callable }} {{ raise_exception is defined }} {{ 1 if dict else 2 }}"), "True True 1");
  EXPECT_EQ(run("{% macro m(a, b=1) %}{{ a }}{% endmacro %}{% set f = m %}{{ f(2) }} {{ f.name }} {{ f.arguments }}"),
            "2 m ('a', 'b')");
  EXPECT_EQ(run("{% set upper = 'a'.upper %}{{ upper() }}{% set r = range %}{{ r(3) | list }}"), "A[0, 1, 2]");
  EXPECT_EQ(run("{% macro wrap() %}<{{ caller(1) }}>{% endmacro %}{% call(x) wrap() %}{{ x }}{% endcall %}"), "<1>");
  EXPECT_EQ(run("{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, k=2) }}"), "(1,){'k': 2}");
}

TEST(JinjaTemplate, TodaysDateIsWrittenWithPythonsDirectives) {
  char today[32];
  const std::time_t now = std::time(nullptr);
  std::strftime(today, sizeof today, "%d %b %Y", std::localtime(&now));
  EXPECT_EQ(run("{{ strftime_now('%d %b %Y') }}"), today);
  EXPECT_EQ(run("{{ strftime_now('y' * 300) | length }} {{ strftime_now('%f') | length }}"), "300 6");
  EXPECT_EQ(run("[{{ strftime_now('%z%Z') }}] {{ strftime_now('%%f') }} {{ strftime_now('') }}"), "[] %f ");
}

TEST(JinjaTemplate, WhatIsUnknownFailsWhereItIsReached) {
  EXPECT_EQ(run("{% if messages[0].args is defined %}{{ 1 | from_json }}{{ 1 is wonderful }}{{ 'a'.shout() }}{% endif %}ok"),
            "ok");
  EXPECT_EQ(run("{% if tools %}{{- 'Tools: ' + tools | reject('equalto', 'python') | join(', ') }}{% endif %}hi"), "hi");
  EXPECT_THAT(error_of("a\n{{ 1 | from_json }}"), HasSubstr("line 2: the filter 'from_json' is not known"));
  EXPECT_THAT(error_of("{{ 1 is wonderful }}"), HasSubstr("line 1: the test 'wonderful' is not known"));
  EXPECT_THAT(error_of("{{ [1] | map('from_json') | list }}"), HasSubstr("the filter 'from_json' is not known"));
  EXPECT_THAT(error_of("{{ 'a'.shout() }}"), HasSubstr("a str has no attribute 'shout'"));
  EXPECT_THAT(error_of("{{ shout() }}"), HasSubstr("the function 'shout' is not known"));
  EXPECT_THAT(error_of("a\nb {% include 'x' %}"), HasSubstr("line 2: 'include' needs another template"));
  EXPECT_THAT(error_of("{% shout %}"), HasSubstr("the statement 'shout' is not known"));
}

TEST(JinjaTemplate, FalseValuesAreEmptyLists) {
  EXPECT_EQ(run("{{ tools | selectattr('type', 'equalto', 'x') | list | length }}{{ tools | map(attribute='y') | list }}"
                "{{ none | rejectattr('z') | list }}{{ false | select | list }}{{ nothing | map('upper') | list }}"),
            "0[][][][]");
}

TEST(JinjaTemplate, GeneratorsAreTrueAndRunOnce) {
  EXPECT_EQ(run("{% set g = [] | select %}{{ 1 if g else 2 }}"), "1");
  EXPECT_EQ(run("{% set g = [1, 2] | map('string') %}{{ g | list }}{{ g | list }}"), "['1', '2'][]");
  EXPECT_THAT(error_of("{{ [1] | map('string') }}"), HasSubstr("its address in memory"));
  EXPECT_THAT(error_of("{{ [1] | map('string') | length }}"), HasSubstr("needs a string, list or mapping, not generator"));
}

TEST(JinjaTemplate, FiltersTestsAndMethods) {
  EXPECT_EQ(
      run("{% set d = {'type': 1, 'a': 2, 'b': 3} %}{% for k in d.keys() | reject('in', ['type']) %}{{ k }}{% endfor %} "
          "{{ [1, none, 2] | select | list }} {{ [1, 2, 3] | select('odd') | join('+') }}"),
      "ab [1, 2] 1+3");
  EXPECT_EQ(run("{{ ', '.join(['a', 'b']) }} {{ none is sameas none }} {{ '0x1f' | int(base=16) }}"), "a, b True 31");
  EXPECT_EQ(run("{% set l = [{'f': {'n': 'x'}}] %}{{ l | map(attribute='f.n') | list }}{{ l | map(attribute='g', default=0) "
                "| list }}"),
            "['x'][0]");
  EXPECT_EQ(run("{{ ['a-b' | safe | title, 'a' | safe | upper] }}"), "['A-B', Markup('A')]");
  EXPECT_EQ(run("{{ 'ΑΣ'.swapcase() }} {{ 'ΑΣ ΑΣΑ'.title() }} {{ 'ΑΣ' | capitalize }}"), "ας Ας Ασα Ας");
  EXPECT_EQ(run("{{ [['q']].0.0 }} {{ [{'k': [7]}] | map(attribute='k.0') | first }}"), "q 7");
  EXPECT_EQ(run("{{ {'b': 1, 'a': [1.5, none]} | tojson(sort_keys=true, separators=(',', ':')) }}"),
            R"({"a":[1.5,null],"b":1})");
  EXPECT_EQ(run("{{ 'é' | tojson }}{{ 'é😀' | tojson(ensure_ascii=true) }}"), R"("é""\u00e9\ud83d\ude00")");
  EXPECT_EQ(run("{{ '%-4s|%03d|%.1f' % ('a', 7, 2.25) }} {{ '{:>4}|{a!r}'.format(1, a='x') }}"), "a   |007|2.2    1|'x'");
  EXPECT_EQ(
      run("{{ [3, 1, 2] | sort(reverse=true) }}{{ ['b', 'A'] | sort }}{{ 2.5 | round }}{{ 1234567 | filesizeformat }}"),
      "[3, 2, 1]['A', 'b']2.01.2 MB");
  EXPECT_EQ(run("{% for g in [{'k': 1, 'v': 'a'}, {'k': 1, 'v': 'b'}] | groupby('k') %}{{ g.grouper }}{{ g.list | length "
                "}}{% endfor %}"),
            "12");
}

TEST(JinjaTemplate, ArgumentsAreNeverDropped) {
  EXPECT_THAT(error_of("{{ 'a' | upper(1) }}"), HasSubstr("takes 0 arguments, not 1"));
  EXPECT_THAT(error_of("{{ 1.5.is_integer(1) }}"), HasSubstr("takes 0 arguments, not 1"));
  EXPECT_THAT(error_of("{{ {{}.keys(): 1} }}"), HasSubstr("a dict_keys cannot be a key"));
  EXPECT_THAT(error_of("{{ [1] | join(by=',') }}"), HasSubstr("the filter 'join' has no argument 'by'"));
  EXPECT_THAT(error_of("{{ 'a'.replace('b') }}"), HasSubstr("the method 'replace' needs the argument 'new'"));
  EXPECT_THAT(error_of("{{ [1] | batch }}"), HasSubstr("the filter 'batch' needs the argument 'linecount'"));
  EXPECT_THAT(error_of("{{ 1 is divisibleby(2, 3) }}"), HasSubstr("takes 1 arguments, not 2"));
  EXPECT_THAT(error_of("{{ {'id': messages[0].nope} | tojson }}"), HasSubstr("'tojson' cannot write an undefined value"));
  EXPECT_THAT(error_of("{{ nope | tojson }}"), HasSubstr("'tojson' cannot write an undefined value"));
}

TEST(JinjaTemplate, OperatorsAndLiterals) {
  EXPECT_EQ(run("{{ 1 < 2 < 3 }} {{ 3 > 2 > 2 }} {{ 1 in [1] not in [2] }}"), "True False True");
  EXPECT_EQ(run("{{ 2 ** 3 ** 2 }} {{ -2 ** 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 1 ~ 'a' ~ none }}"),
            "64 4 -4 2 3.5 1aNone");
  EXPECT_EQ(run("{{ 0x_1F }} {{ 0b11 }} {{ 0o17 }} {{ 1_000 }} {{ 1e3 }} {{ 'a' 'b' }} {{ 1, 2 }}"),
            "31 3 15 1000 1000.0 ab (1, 2)");
  EXPECT_EQ(run("{{ 'abcdef'[::-2] }} {{ [1, 2, 3][-2:] }} {{ 'x' if false }}|"), "fdb [2, 3] |");
  EXPECT_EQ(run("{{ (1, 2) }} {{ {'k': 1}.items() | list }} {{ ('a',) }} {{ {'k': 1}.keys() }}"),
            "(1, 2) [('k', 1)] ('a',) dict_keys(['k'])");
  EXPECT_EQ(run("{{ {1: 'a', true: 'b', none: 2.0} }} {{ [1e16, 1e-5, 0.1, -0.0] }}"),
            "{1: 'b', None: 2.0} [1e+16, 1e-05, 0.1, -0.0]");
  EXPECT_THAT(error_of("{{ 9223372036854775807 + 1 }}"), HasSubstr("the result of '+' is beyond 64 bits"));
}

TEST(JinjaTemplate, StringsHaveThePythonEscapes) {
  EXPECT_EQ(run("{{- 'one.\\\ntwo \\\nthree' }}"), "one.two three");
  EXPECT_EQ(run("{{ '\\101\\60' }}{{ '\\N{BULLET}' }}{{ '\\033[0m' | length }}{{ '\\q\\x41\\u00e9' }}"), "A0•4\\qAé");
  EXPECT_EQ(run("{{ ['it\\'s', 'a\"b', '\\x07é\\u200b'] }}"), R"(["it's", 'a"b', '\x07é\u200b'])");
}

TEST(JinjaTemplate, WhiteSpaceIsCutByCharacter) {
  EXPECT_EQ(run("{{ 'a' -}}\u00a0\u3000b{%- if 1 -%}\u2003 c{% endif %}"), "abc");
  EXPECT_EQ(run("  {% if 1 %}\n  x\n  {% endif %}\ny\n"), "  x\ny");
  EXPECT_EQ(run(">{% raw %}{\"name\": {{x}}}{% endraw %}"), ">{\"name\": {{x}}}");
  EXPECT_EQ(run("a {%- raw -%} {{ {%- endraw %}\nb"), "a{{b");
}

TEST(JinjaTemplate, LoopsAndTheirVariable) {
  EXPECT_EQ(run("{% for i in [1, 1, 2] %}{{ loop.cycle('a', 'b') }}{{ loop.changed(i) }}{{ loop.revindex }} {% endfor %}"),
            "aTrue3 bFalse2 aTrue1 ");
  EXPECT_EQ(
      run("{% for a, (b, c) in [[1, [2, 3]]] %}{{ a + b + c }}{% endfor %}{% for x in [] %}{% else %}none{% endfor %}"),
      "6none");
  EXPECT_EQ(run("{% for x in [1, [2, [3]]] recursive %}{{ loop(x) if x is iterable else x }}{{ loop.depth }}{% endfor %}"),
            "11223321");
  EXPECT_EQ(
      run("{% for i in range(9) if i is odd %}{% if i == 5 %}{% break %}{% endif %}{{ i }}/{{ loop.length }} {% endfor %}"),
      "1/4 3/4 ");
  EXPECT_EQ(run("{% for i in [1, 2] %}{{ loop.previtem }}|{{ loop.nextitem }}|{{ loop.last }} {% endfor %}"),
            "|2|False 1||True ");
}

TEST(JinjaTemplate, NamesAreSeenWhereTheyAreWritten) {
  EXPECT_EQ(run("{% for i in [1, 2] %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}"), "12");
  EXPECT_EQ(run("{% set x = 1 %}{% for i in [1] %}{% set x = 2 %}{% endfor %}{{ x }}"), "1");
  EXPECT_EQ(run("{% set n = namespace(x=1) %}{% for i in [1] %}{% set n.x = 2 %}{% endfor %}{{ n.x }}"), "2");
  EXPECT_EQ(run("{% set a = 1 %}{% with a = 2, b = a %}{{ a }}{{ b }}{% endwith %}{{ a }}"), "211");
  EXPECT_EQ(run("{% set x | upper %}a{% endset %}{{ x }}{% filter replace('b', 'c') %}b{% endfilter %}{% set p, q = 1, 2 "
                "%}{{ q }}"),
            "Ac2");
  EXPECT_EQ(run("{% block b %}{{ bos_token }}{% endblock %}{% generation %}g{% endgeneration %}"), "<s>g");
  EXPECT_EQ(run("{% autoescape true %}{% block e %}{{ '<' }}{% endblock %}{{ '<' }}{% endautoescape %}"), "<&lt;");
  EXPECT_EQ(run("{% autoescape true %}{{ '<' }}{{ '<' | safe }}{% endautoescape %}{{ '<' }}"), "&lt;<<");
}

TEST(JinjaTemplate, TheSandboxIsImmutable) {
  EXPECT_THAT(error_of("{% set l = [1] %}{{ l.append(2) }}"), HasSubstr("'append' would change a list"));
  EXPECT_EQ(run("{{ [].append is defined }} {{ {}.update is defined }} {{ ''.__class__ is defined }}"), "False False False");
  EXPECT_THAT(error_of("{{ namespace(_x=1) }}"), HasSubstr("begins with an underscore"));
  EXPECT_THAT(error_of("{{ range(100001) }}"), HasSubstr("gives more than 100000"));
}

TEST(JinjaTemplate, UndefinedValuesAreEmptyAndFailForMore) {
  EXPECT_EQ(run("{{ nope }}|{{ nope ~ 'a' }}|{{ nope | list }}|{{ nope == none }}|{{ messages[0].x | default('d') }}"),
            "|a|[]|False|d");
  EXPECT_THAT(error_of("{{ nope.field }}"), HasSubstr("'nope' is undefined"));
  EXPECT_THAT(error_of("{{ messages[0].x.y }}"), HasSubstr("a dict has no attribute 'x'"));
  EXPECT_THAT(error_of("{{ nope + 1 }}"), HasSubstr("'nope' is undefined"));
  EXPECT_THAT(error_of("\n{{ messages[0]['content'] + 1 }}"), HasSubstr("line 2: '+' between str and int"));
}

TEST(JinjaTemplate, VariablesAreOrderedJson) {
  const Json tools = Json::parse(R"([{"z": 1, "a": [true, null, 1.5, -3], "é": "x\u0000"}])");
  EXPECT_EQ(run("{{ tools[0] }}", {{"tools", tools}}), R"({'z': 1, 'a': [True, None, 1.5, -3], 'é': 'x\x00'})");
  EXPECT_EQ(run("{{ tools | tojson }}", {{"tools", tools}}), R"([{"z": 1, "a": [true, null, 1.5, -3], "é": "x\u0000"}])");
  EXPECT_THROW(run("", {{"n", uint64_t{1} << 63}}), InputError);
  EXPECT_THROW(run("", {{"text", "\xff"}}), InputError);
}

TEST(JinjaTemplate, WhatRefersToItselfIsFreed) {
  EXPECT_EQ(
      run("{% set n = namespace() %}{% set n.n = [n] %}{% macro m() %}{% endmacro %}{% set n.m = m %}{{ n.n | length }}"),
      "1");
  EXPECT_THAT(error_of("{% set n = namespace() %}{% set n.n = n %}{{ n }}"), HasSubstr("within each other"));
}

TEST(JinjaTemplate, ALongChatRenders) {
  Json messages = Json::array();
  for (int i = 0; i < 4001; ++i)
    messages.push_back({{"role", i % 2 == 0 ? "user" : "assistant"}, {"content", std::string(1000, 'x')}});
  const std::string source =
      "{% set ns = namespace(last=-1) %}{% for m in messages[::-1] %}{% if ns.last < 0 and m.role == 'user' %}"
      "{% set ns.last = messages | length - loop.index %}{% endif %}{% endfor %}"
      "{% for m in messages %}{% if loop.index0 > 0 and m.role == messages[loop.index0 - 1].role %}{{ raise_exception('x') "
      "}}"
      "{% endif %}<{{ m['role'] }}>{{ m.content | trim }}{% if not loop.last %}\n{% endif %}{% endfor %}{{ ns.last }}";
  EXPECT_EQ(run(source, {{"messages", messages}}).size(), 2001 * 6 + 2000 * 11 + 4001 * 1000 + 4);
}

}  // namespace
}  // namespace weft::jinja
