#pragma once
// Chat templates in GGUF: tokenizer.chat_template is the one called "default", tokenizer.chat_template.NAME are others, whose
// names tokenizer.chat_templates lists.
#include <map>
#include <string>

#include "runtime/weights/gguf.h"
#include "runtime/weights/gguf_writer.h"

namespace weft {

using ChatTemplates = std::map<std::string, std::string>;  // Jinja sources by name

ChatTemplates read_chat_templates(const GgufFile& file);
void put_chat_templates(GgufWriter& writer, const ChatTemplates& templates);

}  // namespace weft
