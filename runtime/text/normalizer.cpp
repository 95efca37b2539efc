#include "runtime/text/normalizer.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>

#include "kernels/core/check.h"

namespace weft {
namespace {

std::string apply(const Nfc&, std::string text) {
  UErrorCode error = U_ZERO_ERROR;
  const icu::Normalizer2* nfc = icu::Normalizer2::getNFCInstance(error);
  std::string out;
  icu::StringByteSink<std::string> sink(&out, static_cast<int32_t>(text.size()));
  if (U_SUCCESS(error)) nfc->normalizeUTF8(0, text, sink, nullptr, error);
  if (U_FAILURE(error)) bad_input("a text of ", text.size(), " bytes cannot be normalized: ", u_errorName(error));
  return out;
}

std::string apply(const Prepend& step, std::string text) { return text.empty() ? text : step.content + text; }

std::string apply(const Replace& step, std::string text) {
  std::string out;
  size_t copied = 0;
  Regex::Matcher matcher(step.pattern);
  matcher.start(text);
  for (auto [begin, end] = matcher.next(); begin != std::string::npos; std::tie(begin, end) = matcher.next()) {
    out.append(text, copied, begin - copied);
    out += step.content;
    copied = end;
  }
  out.append(text, copied);
  return out;
}

}  // namespace

std::string normalize(const Normalizer& normalizer, std::string_view text) {
  std::string result(text);
  for (const NormalizerStep& step : normalizer) {
    result = std::visit([&](const auto& s) { return apply(s, std::move(result)); }, step);
  }
  return result;
}

}  // namespace weft
