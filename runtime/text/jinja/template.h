#pragma once
// A Jinja template, as transformers sets the language up for chats: parsed once, rendered any number of times from any
// number of threads.
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace weft::jinja {

class Template {
 public:
  // Throws InputError for what is not UTF-8 and for errors of syntax; the sentence names the line.
  explicit Template(std::string_view source);
  ~Template();
  Template(Template&&) noexcept;
  Template& operator=(Template&&) noexcept;

  // The text that the template writes. variables: a JSON object, its members the names that the template sees; every
  // text in it is UTF-8. Throws InputError for what fails in the template, raise_exception() among it, and for templates
  // that take too many steps or write too much.
  std::string render(const nlohmann::ordered_json& variables) const;

 private:
  struct Program;
  std::unique_ptr<const Program> program_;
};

}  // namespace weft::jinja
