// Whatever a template does, it ends soon, with one sentence.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "kernels/core/check.h"
#include "runtime/text/jinja/template.h"

namespace weft::jinja {
namespace {

using testing::HasSubstr;

std::string error_of(const std::string& source) {
  try {
    return "wrote: " + Template(source).render(nlohmann::ordered_json::object());
  } catch (const InputError& error) {
    return error.what();
  }
}

TEST(JinjaBounds, Time) {
  EXPECT_THAT(error_of("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"),
              HasSubstr("steps"));
  EXPECT_THAT(
      error_of("{% set n = namespace(s=[1]) %}{% for i in range(99) %}{% set n.s = [n.s, n.s] %}{% endfor %}{{ n.s }}"),
      HasSubstr("steps"));
  EXPECT_THAT(
      error_of(
          "{% set n = namespace(s=[1], t=[1]) %}{% for i in range(60) %}{% set n.s = [n.s, n.s] %}{% set n.t = [n.t, n.t] %}"
          "{% endfor %}{{ n.s == n.t }}"),
      HasSubstr("steps"));
}

TEST(JinjaBounds, Memory) {
  EXPECT_THAT(error_of("{{ 'abc' * 1000000000000 }}"), HasSubstr("64 MiB"));
  EXPECT_THAT(error_of("{% set n = namespace(s='x') %}{% for i in range(99) %}{% set n.s = n.s ~ n.s %}{% endfor %}"),
              HasSubstr("64 MiB"));
  EXPECT_THAT(error_of("{% set n = namespace(s=[1]) %}{% for i in range(99) %}{% set n.s = n.s + n.s %}{% endfor %}"),
              HasSubstr("steps"));
  EXPECT_THAT(error_of("{{ [1] * 1000000000000 }}"), HasSubstr("steps"));
  EXPECT_THAT(error_of("{% for i in range(999) %}{% set x = 'x' * 9999999 %}{% endfor %}"), HasSubstr("1024 MiB"));
  for (const char* filter :
       {"center(10**12)", "indent(10**12, true)", "replace('', 'y' * 9999999)", "batch(10**12, 0) | list"}) {
    const std::string error = error_of("{{ 'xxxxxxxx' | " + std::string(filter) + " }}");
    EXPECT_TRUE(error.find("64 MiB") != error.npos || error.find("steps") != error.npos) << filter << ": " << error;
  }
  for (const char* text :
       {"'%1000000000000d' % 5", "'{:1000000000000}'.format(5)", "'x'.zfill(10**12)", "'\t'.expandtabs(10**12)",
        "[1] | tojson(indent=10**12)", "'x'.ljust(10**12)", "'%.99999999999d' % 1"}) {
    EXPECT_THAT(error_of("{{ " + std::string(text) + " }}"), HasSubstr("64 MiB"));
  }
}

TEST(JinjaBounds, Depth) {
  EXPECT_THAT(error_of("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"), HasSubstr("within each other"));
  EXPECT_THAT(error_of("{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}"), HasSubstr("within each other"));
  EXPECT_THAT(error_of("{% set n = namespace(s=1) %}{% for i in range(99999) %}{% set n.s = [n.s] %}{% endfor %}"),
              HasSubstr("values nest"));
  EXPECT_THAT(
      error_of("{% set n = namespace(s='a') %}{% for i in range(99999) %}{% set n.s = n.s | map('upper') %}{% endfor %}"),
      HasSubstr("values nest"));
  EXPECT_EQ(error_of("{% set n = namespace(s=1) %}{% for i in range(99999) %}{% set n.s = namespace(s=n.s) %}{% endfor %}"),
            "wrote: ");
  EXPECT_THAT(error_of("{{ " + std::string(400, '(') + "1" + std::string(400, ')') + " }}"), HasSubstr("nesting"));
  EXPECT_THAT(error_of("{{ " + std::string(100'000, '(')), HasSubstr("a tag of more than"));
  std::string ifs, sum = "{{ 1", chain = "{{ a";
  for (int i = 0; i < 100'000; ++i) ifs += "{% if 1 %}";
  for (int i = 0; i < 9'000; ++i) sum += "+1", chain += ".a";
  EXPECT_THAT(error_of(ifs), HasSubstr("nesting"));
  EXPECT_THAT(error_of(sum + " }}"), HasSubstr("levels of nesting"));
  EXPECT_THAT(error_of(chain + " }}"), HasSubstr("levels of nesting"));
}

}  // namespace
}  // namespace weft::jinja
