#pragma once
// Regular expressions written for Oniguruma, as Hugging Face `tokenizers` reads them, in the syntax of PCRE2.
// Source: Oniguruma's doc/RE and doc/UNICODE_PROPERTIES.
#include <string>
#include <string_view>

namespace weft {

// A pattern that matches the same under PCRE2_UTF, PCRE2_UCP and PCRE2_MULTILINE with LF as newline. What has no
// counterpart there is refused by name. The two differ, among others, in classes (&&, nested and POSIX classes, ranges of
// properties), \w and \b (which count marks), \h, \v, \p{...} (names, scripts), (?m), the reach of (?i), and intervals.
std::string oniguruma_to_pcre2(std::string_view pattern);

}  // namespace weft
