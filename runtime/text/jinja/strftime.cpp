#include "runtime/text/jinja/strftime.h"

#include <chrono>
#include <cstdio>
#include <ctime>

#include "runtime/text/jinja/arguments.h"
#include "runtime/text/jinja/rendering.h"

namespace weft::jinja {
namespace {

// What the C library does not know as Python does: %f, %z and %Z.
std::string expand(const std::string& format, int64_t microseconds) {
  std::string out;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%' || i + 1 == format.size()) {
      out += format[i];
      continue;
    }
    const char directive = format[++i];
    if (directive == 'f') {
      char digits[8];
      std::snprintf(digits, sizeof digits, "%06d", static_cast<int>(microseconds));
      out += digits;
    } else if (directive != 'z' && directive != 'Z') {
      out += {'%', directive};
    }
  }
  return out;
}

}  // namespace

Value strftime_now(const Arguments& arguments) {
  const Parameters p("the function 'strftime_now'", arguments, {"format"}, 1);
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto microseconds = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
  const std::time_t seconds = static_cast<std::time_t>(microseconds / 1'000'000);
  std::tm parts{};
  localtime_r(&seconds, &parts);
  const std::string& asked = p.text(0).bytes;
  if (asked.find('\0') != asked.npos) fail("the function 'strftime_now' needs a format without NUL");
  const std::string format = expand(asked, microseconds % 1'000'000);
  if (format.empty()) return "";
  // No size is known before; a directive gives at most some dozens of characters, and %p may give none.
  for (size_t size = 256;; size *= 2) {
    expect_text_size(size);
    std::string text(size, '\0');
    const size_t length = std::strftime(text.data(), text.size(), format.c_str(), &parts);
    if (length > 0 || size >= 256 * format.size()) {
      text.resize(length);
      return text;
    }
  }
}

}  // namespace weft::jinja
