#include "runtime/weights/gguf_chat_templates.h"

#include "kernels/core/check.h"

namespace weft {

ChatTemplates read_chat_templates(const GgufFile& file) {
  ChatTemplates templates;
  if (const auto source = file.get_string("tokenizer.chat_template")) templates["default"] = *source;
  for (const std::string_view name : file.get_string_array("tokenizer.chat_templates"))
    if (const auto source = file.get_string(cat("tokenizer.chat_template.", name))) templates[std::string(name)] = *source;
  return templates;
}

void put_chat_templates(GgufWriter& writer, const ChatTemplates& templates) {
  std::vector<std::string> others;
  for (const auto& [name, source] : templates) {
    if (name == "default") {
      writer.put_string("tokenizer.chat_template", source);
    } else {
      writer.put_string("tokenizer.chat_template." + name, source);
      others.push_back(name);
    }
  }
  if (!others.empty()) writer.put_strings("tokenizer.chat_templates", others);
}

}  // namespace weft
