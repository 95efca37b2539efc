#include "launcher/chat_file.h"

#include <fstream>
#include <sstream>

#include "kernels/core/check.h"

namespace weft {

Chat read_chat_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  if (!in || !(text << in.rdbuf())) bad_input("cannot read --chat-file ", path, ", or it is empty");
  const Chat::Json json = parse_chat_json(text.str(), "--chat-file " + path);
  try {
    return chat_from_json(json);
  } catch (const InputError& error) {
    bad_input("--chat-file ", path, ": ", error.what());
  }
}

}  // namespace weft
