#include "runtime/text/normalizer.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>

#include "kernels/core/check.h"
#include "runtime/text/utf8.h"

namespace weft {
namespace {

const icu::Normalizer2* instance(UnicodeForm::Name name, UErrorCode& error) {
  switch (name) {
    case UnicodeForm::nfc: return icu::Normalizer2::getNFCInstance(error);
    case UnicodeForm::nfd: return icu::Normalizer2::getNFDInstance(error);
    case UnicodeForm::nfkc: return icu::Normalizer2::getNFKCInstance(error);
    case UnicodeForm::nfkd: break;
  }
  return icu::Normalizer2::getNFKDInstance(error);
}

std::string apply(const UnicodeForm& step, std::string text) {
  UErrorCode error = U_ZERO_ERROR;
  const icu::Normalizer2* form = instance(step.name, error);
  std::string out;
  icu::StringByteSink<std::string> sink(&out, static_cast<int32_t>(text.size()));
  if (U_SUCCESS(error)) form->normalizeUTF8(0, text, sink, nullptr, error);
  if (U_FAILURE(error)) bad_input("a text of ", text.size(), " bytes cannot be normalized: ", u_errorName(error));
  return out;
}

std::string apply(const Lowercase&, std::string text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = utf8_at(text, at);
    at += c.length;
    if (c.value == 0x130)  // the one character with two as its small form
      out += "i\u0307";
    else
      append_utf8(out, static_cast<char32_t>(u_tolower(static_cast<UChar32>(c.value))));
  }
  return out;
}

std::string apply(const Strip& step, std::string text) {
  const auto is_space = [&](size_t at) { return u_isUWhiteSpace(static_cast<UChar32>(utf8_at(text, at).value)); };
  size_t begin = 0, end = text.size();
  while (step.left && begin < end && is_space(begin)) begin += utf8_at(text, begin).length;
  while (step.right && begin < end) {
    size_t last = end - 1;
    while ((text[last] & 0xC0) == 0x80) --last;
    if (!is_space(last)) break;
    end = last;
  }
  return text.substr(begin, end - begin);
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
