// Any bytes as a chat template, and what follows a NUL as the content of a message: text, or an InputError.
#include <cstdint>
#include <string>

#include "kernels/core/check.h"
#include "runtime/text/chat_template.h"
#include "runtime/text/utf8.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string_view source = input.substr(0, input.find('\0'));
  const std::string content(input.substr(std::min(source.size() + 1, input.size())));
  try {
    const weft::ChatTemplate chat({{{"default", std::string(source)}}, {{"bos_token", "<s>"}, {"eos_token", "</s>"}}});
    const std::string text = chat.render(weft::chat_of(content));
    WEFT_CHECK_EQ(weft::find_invalid_utf8(text), std::string::npos);
  } catch (const weft::InputError&) {
  }
  return 0;
}
