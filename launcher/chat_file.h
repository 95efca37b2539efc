#pragma once
#include <string>

#include "runtime/text/chat.h"

namespace weft {

// What --chat-file names: see chat_from_json() in runtime/text/chat.h. Sentences of errors name the file.
Chat read_chat_file(const std::string& path);

}  // namespace weft
