#include "runtime/text/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <cstdint>

#include "kernels/core/check.h"
#include "runtime/text/utf8.h"

namespace weft {
namespace {

constexpr size_t kNone = std::string_view::npos;

// Oniguruma's \s is the Unicode property White_Space; PCRE2's also holds U+180E.
std::string to_pcre2(std::string_view pattern) {
  std::string out;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '\\' && i + 1 < pattern.size()) {
      ++i;
      if (pattern[i] == 's') {
        out += "\\p{wspace}";
      } else if (pattern[i] == 'S') {
        out += "\\P{wspace}";
      } else {
        out += {'\\', pattern[i]};
      }
    } else {
      out.push_back(pattern[i]);
    }
  }
  return out;
}

std::string pcre2_message(int error) {
  PCRE2_UCHAR buffer[256];
  pcre2_get_error_message(error, buffer, sizeof buffer);
  return reinterpret_cast<const char*>(buffer);
}

PCRE2_SPTR bytes(std::string_view text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

}  // namespace

Regex::Regex(std::string_view pattern) : pattern_(pattern) {
  const std::string translated = to_pcre2(pattern);
  int error = 0;
  PCRE2_SIZE offset = 0;
  // MULTILINE: in Oniguruma's Ruby syntax ^ and $ always mean lines.
  pcre2_code* code =
      pcre2_compile(bytes(translated), translated.size(), PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE, &error, &offset, nullptr);
  if (code == nullptr) {
    bad_input("the tokenizer's regular expression '", pattern, "' cannot be used: ", pcre2_message(error), " near offset ",
              offset);
  }
  code_ = {code, [](void* p) { pcre2_code_free(static_cast<pcre2_code*>(p)); }};
  // Systems that forbid writable code pages refuse the JIT; pcre2_match then interprets, with the same
  // result.
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
}

std::string Regex::quote(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view("\\^$.[]|()?*+{}-#").find(c) != kNone) out.push_back('\\');
    out.push_back(c);
  }
  return out;
}

Regex::Matcher::Matcher(const Regex& regex) : regex_(&regex) {
  const auto* code = static_cast<const pcre2_code*>(regex.code_.get());
  match_data_ = {pcre2_match_data_create_from_pattern(code, nullptr),
                 [](void* p) { pcre2_match_data_free(static_cast<pcre2_match_data*>(p)); }};
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
  context_ = {context, [](void* p) { pcre2_match_context_free(static_cast<pcre2_match_context*>(p)); }};
}

void Regex::Matcher::start(std::string_view text) {
  text_ = text;
  position_ = 0;
  // A repeat that gives back one character at a time counts each of them: the limit must follow the text's
  // length.
  const size_t limit = std::min<size_t>(10'000'000 + 16 * text.size(), UINT32_MAX);
  pcre2_set_match_limit(static_cast<pcre2_match_context*>(context_.get()), static_cast<uint32_t>(limit));
}

std::pair<size_t, size_t> Regex::Matcher::next() {
  if (position_ > text_.size()) return {kNone, kNone};
  const auto* code = static_cast<const pcre2_code*>(regex_->code_.get());
  auto* data = static_cast<pcre2_match_data*>(match_data_.get());
  auto* context = static_cast<pcre2_match_context*>(context_.get());
  const auto match = [&](uint32_t options) {
    return pcre2_match(code, bytes(text_), text_.size(), position_, options | PCRE2_NO_UTF_CHECK, data, context);
  };
  int result = match(0);
  if (result == PCRE2_ERROR_JIT_STACKLIMIT) result = match(PCRE2_NO_JIT);
  if (result == PCRE2_ERROR_NOMATCH) {
    position_ = text_.size() + 1;
    return {kNone, kNone};
  }
  if (result < 0) {
    bad_input("the tokenizer's regular expression '", regex_->pattern_, "' gave up on this text at byte ", position_, ": ",
              pcre2_message(result));
  }
  const PCRE2_SIZE* span = pcre2_get_ovector_pointer(data);
  const std::pair<size_t, size_t> found = {span[0], span[1]};
  position_ = found.second;
  // After an empty match the search goes on one character later, or it would find the same one for ever.
  if (found.first == found.second) {
    position_ += found.second < text_.size() ? utf8_at(text_, found.second).length : 1;
  }
  return found;
}

}  // namespace weft
