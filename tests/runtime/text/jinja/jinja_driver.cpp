// Renders templates for jinja_differential_test.py: one JSON object {template, variables} a line of stdin, one
// {output} or {error} a line of stdout.
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "kernels/core/check.h"
#include "runtime/text/jinja/template.h"

int main() {
  using Json = nlohmann::ordered_json;
  for (std::string line; std::getline(std::cin, line);) {
    const Json request = Json::parse(line);
    Json answer;
    try {
      const weft::jinja::Template parsed(request.at("template").get<std::string>());
      answer["output"] = parsed.render(request.at("variables"));
    } catch (const weft::InputError& error) {
      answer["error"] = error.what();
    }
    std::cout << answer.dump() << std::endl;
  }
}
